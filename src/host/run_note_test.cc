// SPDX-License-Identifier: Apache-2.0
#include "host/run_note.h"

#include <gtest/gtest.h>

namespace wakeline::host {
namespace {

using namespace std::chrono_literals;
using doze::Earlier;

constexpr base::Instant kNow{5'000s};

TEST(RunNote, IsReadAsItWasWritten) {
  for (const bool foreground : {false, true}) {
    for (const base::Instant latest : {base::kNever, base::Instant(0ns), kNow + 600s}) {
      const Earlier earlier{foreground, latest};
      EXPECT_EQ(read_note(write_note(earlier), kNow), earlier) << write_note(earlier);
    }
  }
  EXPECT_EQ(write_note({true, base::Instant(7ns)}), "foreground keep_alive=7");
}

TEST(RunNote, TakesNothingThatWeDidNotWrite) {
  for (const char* text :
       {"", " ", "foregrounds", "keep_alive=", "keep_alive=-1", "keep_alive=1x", "keep_alive = 1",
        "keep_alive=99999999999999999999", "keep_alive=9000000000000000000"}) {
    EXPECT_EQ(read_note(text, kNow), Earlier{}) << text;
  }
  EXPECT_EQ(read_note("other=1 foreground keep_alive=x", kNow), (Earlier{.foreground = true}));
}

}  // namespace
}  // namespace wakeline::host
