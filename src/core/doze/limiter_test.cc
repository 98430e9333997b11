// SPDX-License-Identifier: Apache-2.0
#include "core/doze/limiter.h"

#include <gtest/gtest.h>

#include "core/doze/backoff.h"

namespace wakeline::doze {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): times in tests

TEST(Limiter, C13CountsTheWakesOfTheLastFiveMinutes) {
  const Profile profile;
  Limiter limiter;
  const Instant start{1'000s};
  for (int i = 0; i < 10; ++i) limiter.record(start + i * 1s, profile);
  EXPECT_EQ(limiter.count(start + 9s, profile), 10);
  EXPECT_EQ(limiter.count(start + 299s, profile), 10);
  EXPECT_EQ(limiter.count(start + 304s, profile), 5);
}

TEST(Limiter, C13SettlesAtTheRateThatTheLimitAllows) {
  const Profile profile;
  Limiter limiter;
  Instant now{1'000s};
  int wakes = 0;
  // The app sleeps a second after each wake, and data is always there.
  for (const Instant end = now + 3'600s; now < end; ++wakes) {
    const auto verdict = limiter.ask(now, 0s, profile);
    EXPECT_NE(verdict.action, LimitAction::kKill);
    EXPECT_LE(verdict.delay, profile.limit_delay_max);
    now += verdict.delay;
    limiter.record(now, profile);
    now += 1s;
  }
  EXPECT_LE(wakes, 3'600 / 20 * 11 / 10);
  EXPECT_GE(wakes, 3'600 / 20 * 6 / 10);
}

TEST(Limiter, HoldsABoundedNumberOfWakesWithoutALimit) {
  const Profile profile = Profile::ios_classic();
  Limiter limiter;
  const Instant now{1'000s};
  for (int i = 0; i < 100'000; ++i) limiter.record(now, profile);
  EXPECT_EQ(limiter.count(now, profile), 32);
}

TEST(Backoff, DoublesUpToItsBound) {
  EXPECT_EQ(doubled(1s, 0, 60s), 1s);
  EXPECT_EQ(doubled(1s, 5, 60s), 32s);
  EXPECT_EQ(doubled(1s, 6, 60s), 60s);
  EXPECT_EQ(doubled(1s, kDoublingsMax, Duration::max()), (1LL << 30) * 1s);
}

}  // namespace
}  // namespace wakeline::doze
