// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>

namespace wakeline::base {
namespace {

TEST(ErrorTable, GivesEveryCodeItsOwnNameAndText) {
  std::set<std::string_view> names;
  std::set<std::string_view> texts;
  for (int i = 0; i < static_cast<int>(ErrorCode::kCount); ++i) {
    const auto code = static_cast<ErrorCode>(i);
    EXPECT_TRUE(names.insert(name(code)).second) << name(code);
    EXPECT_TRUE(texts.insert(describe(code)).second) << describe(code);
    EXPECT_EQ(error_code_from_name(name(code)), code);
  }
  EXPECT_EQ(error_code_from_name("no_such_code"), ErrorCode::kCount);
}

TEST(OsError, FindsTheCodeOfAnErrnoAndSaysBoth) {
  const Error error = os_error("bind", EADDRINUSE);
  EXPECT_EQ(error.code, ErrorCode::kAddressInUse);
  EXPECT_EQ(to_string(error), "bind: the address is in use (Address already in use)");
}

}  // namespace
}  // namespace wakeline::base
