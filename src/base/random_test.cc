// SPDX-License-Identifier: Apache-2.0
#include "base/random.h"

#include <gtest/gtest.h>

namespace wakeline::base {
namespace {

TEST(Random, GivesTheSameNumbersForTheSameSeed) {
  Random a(42);
  Random b(42);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.next(), b.next());
  EXPECT_EQ(a, b);
  EXPECT_NE(Random(1), Random(2));
}

TEST(Random, StaysBelowItsBoundAndReachesBothEnds) {
  Random random(7);
  bool low = false;
  bool high = false;
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t value = random.below(5);
    ASSERT_LT(value, 5U);
    low |= value == 0;
    high |= value == 4;
  }
  EXPECT_TRUE(low && high);
  EXPECT_EQ(random.between(Duration(3), Duration(3)), Duration(3));
}

}  // namespace
}  // namespace wakeline::base
