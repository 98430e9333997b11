// SPDX-License-Identifier: Apache-2.0
#include "server/scopes.h"

#include <gtest/gtest.h>

namespace wakeline::server {
namespace {

TEST(Scopes, PermitEveryTargetOrOneOrThoseThatBeginSo) {
  const auto all = Scopes::parse("push");
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->may_push("device", "door"));
  EXPECT_TRUE(all->may_push("group", "staff"));
  EXPECT_FALSE(all->stats());
  const auto some = Scopes::parse("push:device/door push:user/a* stats");
  ASSERT_TRUE(some);
  EXPECT_TRUE(some->may_push("device", "door"));
  EXPECT_FALSE(some->may_push("device", "door-1"));
  EXPECT_FALSE(some->may_push("user", "door"));
  EXPECT_TRUE(some->may_push("user", "ada"));
  EXPECT_FALSE(some->may_push("user", "bob"));
  EXPECT_FALSE(some->may_push("group", "ada"));
  EXPECT_TRUE(some->stats());
  EXPECT_FALSE(some->subscriptions());
  EXPECT_TRUE(Scopes::parse("push:group/*")->may_push("group", "any"));
  EXPECT_FALSE(Scopes::parse("subscriptions")->may_push("device", "door"));
}

TEST(Scopes, AreRefusedWhenAWordIsUnknown) {
  for (const char* text : {"", " ", "pus", "push:", "push:door", "push:device/", "push:pet/door",
                           "push:device/a*b", "push:device/../x", "push stat", "PUSH"}) {
    EXPECT_FALSE(Scopes::parse(text)) << text;
  }
}

}  // namespace
}  // namespace wakeline::server
