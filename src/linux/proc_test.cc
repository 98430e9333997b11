// SPDX-License-Identifier: Apache-2.0
#include "linux/proc.h"

#include <gtest/gtest.h>

#include <string>

#include "linux/control_file.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;

TEST(ProcStat, IsReadPastANameWithSpacesAndBrackets) {
  const auto stat = parse_proc_stat(
      "4242 (a ) R (b)) S 17 4242 4240 0 -1 4194560 101 0 0 0 1 2 0 0 20 0 1 0 987654321 8192 "
      "100\n");
  EXPECT_EQ(stat, (ProcStat{{4242, 987654321}, 17, 4240, 'S'}));
}

TEST(ProcStat, RefusesALineThatIsNone) {
  for (const char* line : {"", "42", "42 (x", "42 (x)", "42 (x) ", "42 (x) S 1 2", "x (y) S 1 2 3",
                           "42 (x) S one 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19"}) {
    EXPECT_EQ(parse_proc_stat(line).error().code, ErrorCode::kMalformed) << line;
  }
}

TEST(ControlValue, IsThatOfTheWholeKey) {
  const std::string text = "populated 1\nfrozen 0\nfrozen_more 7\nbad x\nempty \n";
  EXPECT_EQ(control_value(text, "populated"), 1u);
  EXPECT_EQ(control_value(text, "frozen"), 0u);
  EXPECT_EQ(control_value(text, "frozen_more"), 7u);
  for (const char* key : {"froz", "bad", "empty", "none"}) {
    EXPECT_EQ(control_value(text, key).error().code, ErrorCode::kMalformed) << key;
  }
}

}  // namespace
}  // namespace wakeline::sys
