// SPDX-License-Identifier: Apache-2.0
#include "base/bounded_list.h"

#include <gtest/gtest.h>

namespace wakeline::base {
namespace {

TEST(BoundedList, KeepsItsItemsInOrderAndComparesByValue) {
  BoundedList<int, 3> a;
  a.push(1);
  a.push(2);
  BoundedList<int, 3> b = a;
  EXPECT_EQ(a, b);
  b.push(3);
  EXPECT_NE(a, b);
  b.clear();
  EXPECT_TRUE(b.empty());
}

TEST(BoundedListDeathTest, AbortsWhenAMachineRunsOverItsBound) {
  BoundedList<int, 1> list;
  list.push(1);
  EXPECT_DEATH(list.push(2), "broken invariant.*bound=1");
}

}  // namespace
}  // namespace wakeline::base
