// SPDX-License-Identifier: Apache-2.0
#include "wire/shown_notices.h"

#include <gtest/gtest.h>

namespace wakeline::wire {
namespace {

using base::ErrorCode;

const ShownNotices kTwo{{{7, "chat", "room 1", "who=\"b\"", "0123/:1.4", 41},
                         {9, "doorbell", "", "", "0123/:1.4", 42}}};

TEST(ShownNotices, ReadTheSameOnceWritten) {
  const auto text = to_text(kTwo);
  ASSERT_TRUE(text);
  EXPECT_EQ(parse_shown_notices(*text), kTwo);
  EXPECT_EQ(parse_shown_notices(*to_text({})), ShownNotices{});
}

TEST(ShownNotices, OfAFileWithAFaultNothingIsTaken) {
  const std::string good = *to_text(kTwo);
  EXPECT_EQ(parse_shown_notices(good.substr(0, good.size() - 1)).error().code,
            ErrorCode::kMalformed);
  for (const char* text :
       {"", "[]", "{}", R"({"notices":[{}]})", R"({"notices":[7]})",
        // An id that is a path, a number that is none, and one that no server gives.
        R"({"notices":[{"number":1,"app":"../x","server":"s","place":1}]})",
        R"({"notices":[{"number":0,"app":"x","server":"s","place":1}]})",
        R"({"notices":[{"number":1,"app":"x","server":"s","place":4294967296}]})",
        R"({"notices":[{"number":1,"app":"x","server":"s","place":0}]})"}) {
    EXPECT_EQ(parse_shown_notices(text).error().code, ErrorCode::kMalformed) << text;
  }
}

TEST(ShownNotices, HaveLimits) {
  ShownNotices many;
  many.notices.assign(kShownNoticesMax + 1, kTwo.notices[0]);
  EXPECT_EQ(to_text(many).error().code, ErrorCode::kTooLarge);
  ShownNotices wide = kTwo;
  wide.notices[0].payload.assign(host::kPayloadMax + 1, 'x');
  EXPECT_EQ(to_text(wide).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(parse_shown_notices(std::string(kShownNoticesBytesMax + 1, ' ')).error().code,
            ErrorCode::kTooLarge);
}

}  // namespace
}  // namespace wakeline::wire
