// SPDX-License-Identifier: Apache-2.0
#include "host/rate_limit.h"

#include <gtest/gtest.h>

namespace wakeline::host {
namespace {

using namespace std::chrono_literals;

TEST(RateLimit, LetsABurstThroughAndThenOneAnInterval) {
  RateLimit limit;
  base::Instant now{1'000s};
  for (int i = 0; i < 5; ++i) EXPECT_EQ(limit.take(now, 100ms, 5), 0s) << i;
  EXPECT_EQ(limit.too_early(now, 100ms, 5), 100ms);
  now += 100ms;
  EXPECT_EQ(limit.take(now, 100ms, 5), 0s);
  EXPECT_EQ(limit.take(now, 100ms, 5), 100ms);
  now += 10s;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(limit.take(now, 100ms, 5), 0s) << i;
  EXPECT_GT(limit.take(now, 100ms, 5), 0s);
}

}  // namespace
}  // namespace wakeline::host
