// SPDX-License-Identifier: Apache-2.0
#include "base/time.h"

#include <gtest/gtest.h>

namespace wakeline::base {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Bounded, GivesASpanThatCanBeAddedToAnyInstant) {
  EXPECT_EQ(bounded(milliseconds(1'500)), Duration(1'500'000'000));
  EXPECT_EQ(bounded(milliseconds::max()), kSpanMax);
  EXPECT_EQ(bounded(seconds::max()), kSpanMax);
  EXPECT_EQ(bounded(std::chrono::hours::max()), kSpanMax);
  EXPECT_EQ(bounded(Duration::max()), kSpanMax);
  EXPECT_EQ(bounded(milliseconds(-1)), Duration::zero());
  EXPECT_EQ(bounded(milliseconds::min()), Duration::zero());
  EXPECT_EQ(bounded(seconds::min()), Duration::zero());
}

}  // namespace
}  // namespace wakeline::base
