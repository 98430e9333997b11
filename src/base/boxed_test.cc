// SPDX-License-Identifier: Apache-2.0
#include "base/boxed.h"

#include <gtest/gtest.h>

#include <string>

namespace wakeline::base {
namespace {

TEST(Boxed, CostsAPointerWhileItHoldsNothing) {
  static_assert(sizeof(Boxed<std::string>) == sizeof(void*));
  Boxed<std::string> box;
  EXPECT_FALSE(box);
  box.get() = "text";
  EXPECT_TRUE(box);
  box.reset();
  EXPECT_FALSE(box);
}

TEST(Boxed, IsCopiedAndComparedAsAValue) {
  Boxed<std::string> box;
  EXPECT_EQ(box, Boxed<std::string>{});
  box.get() = "one";
  EXPECT_NE(box, Boxed<std::string>{});
  Boxed<std::string> copy = box;
  EXPECT_EQ(copy, box);
  *copy = "two";
  EXPECT_NE(copy, box);
  EXPECT_EQ(*box, "one");
  box = copy;
  EXPECT_EQ(box, copy);
}

}  // namespace
}  // namespace wakeline::base
