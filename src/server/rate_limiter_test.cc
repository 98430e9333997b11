// SPDX-License-Identifier: Apache-2.0
#include "server/rate_limiter.h"

#include <gtest/gtest.h>

namespace wakeline::server {
namespace {

using namespace std::chrono_literals;

constexpr base::Instant kFirstTake{1h};

TEST(RateLimiter, PermitsABurstThenTheRateAndSaysHowLongToWait) {
  RateLimiter limiter(2, 3);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(limiter.take("a", kFirstTake));
  EXPECT_EQ(limiter.look("a", kFirstTake), base::Duration(500ms));
  EXPECT_EQ(limiter.take("a", kFirstTake), base::Duration(500ms));
  EXPECT_FALSE(limiter.take("b", kFirstTake));
  EXPECT_EQ(limiter.take("a", kFirstTake + 400ms), base::Duration(100ms));
  EXPECT_FALSE(limiter.take("a", kFirstTake + 500ms));
  EXPECT_TRUE(limiter.take("a", kFirstTake + 500ms));
  EXPECT_FALSE(limiter.take("a", kFirstTake + 1h));  // no more than the burst is saved up
  EXPECT_FALSE(limiter.take("a", kFirstTake + 1h));
  EXPECT_FALSE(limiter.take("a", kFirstTake + 1h));
  EXPECT_TRUE(limiter.take("a", kFirstTake + 1h));
}

TEST(RateLimiter, PermitsEverythingAtRateZero) {
  RateLimiter limiter(0, 0);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(limiter.take("a", kFirstTake));
  EXPECT_EQ(limiter.keys(), 0U);
}

TEST(RateLimiter, IsBoundedWhateverTheNumberOfKeys) {
  RateLimiter limiter(1, 1);
  for (std::size_t i = 0; i < kRateKeysMax; ++i)
    EXPECT_FALSE(limiter.take(std::to_string(i), kFirstTake));
  EXPECT_FALSE(limiter.take("new", kFirstTake));  // the shared one
  EXPECT_TRUE(limiter.take("another", kFirstTake));
  EXPECT_TRUE(limiter.look("a third", kFirstTake));
  EXPECT_TRUE(limiter.take("7", kFirstTake));
  EXPECT_LE(limiter.keys(), kRateKeysMax + 1);
  EXPECT_FALSE(limiter.take("much later", kFirstTake + 10s));  // the idle ones are forgotten
  EXPECT_LT(limiter.keys(), 10U);
}

}  // namespace
}  // namespace wakeline::server
