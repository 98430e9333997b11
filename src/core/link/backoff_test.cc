// SPDX-License-Identifier: Apache-2.0
#include "core/link/backoff.h"

#include <gtest/gtest.h>

#include "core/link/rtt.h"

namespace wakeline::link {
namespace {

using base::Duration;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// Every draw lies in [low, high], and the draws reach near both ends.
template <class Draw>
void expect_spread(Duration low, Duration high, Draw draw) {
  Duration least = Duration::max();
  Duration most = Duration::min();
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    base::Random random(seed);
    const Duration d = draw(random);
    least = std::min(least, d);
    most = std::max(most, d);
  }
  EXPECT_GE(least, low);
  EXPECT_LE(most, high);
  EXPECT_LE(least, low + (high - low) / 20);
  EXPECT_GE(most, high - (high - low) / 20);
}

Duration kth_failure(int k, Duration spread, base::Random& random) {
  Backoff backoff;
  for (int i = 1; i < k; ++i) backoff.after_failure(spread, false, random);
  return backoff.after_failure(spread, false, random);
}

TEST(Backoff, SpreadsTheReturnFromALostLineOverTheServersWindow) {
  expect_spread(seconds(0), seconds(100),
                [](auto& r) { return Backoff().after_loss(seconds(100), false, r); });
  expect_spread(seconds(0), seconds(10),
                [](auto& r) { return Backoff().after_loss(seconds(100), true, r); });
  expect_spread(seconds(0), seconds(2),
                [](auto& r) { return Backoff().after_loss(milliseconds(1), false, r); });
  expect_spread(seconds(0), minutes(10),
                [](auto& r) { return Backoff().after_loss(minutes(100), false, r); });
}

TEST(Backoff, GrowsWithTheFailuresToFourWindows) {
  for (const int k : {1, 2, 3})
    expect_spread(seconds(50), seconds(100),
                  [k](auto& r) { return kth_failure(k, seconds(100), r); });
  expect_spread(seconds(100), seconds(200),
                [](auto& r) { return kth_failure(4, seconds(100), r); });
  for (const int k : {5, 6, 100})
    expect_spread(seconds(200), seconds(400),
                  [k](auto& r) { return kth_failure(k, seconds(100), r); });
  expect_spread(seconds(1), seconds(2), [](auto& r) { return kth_failure(1, seconds(1), r); });
}

TEST(Backoff, KnowsWhatToDoBeforeItEverHeardOfAWindow) {
  expect_spread(seconds(0), seconds(4),
                [](auto& r) { return Backoff().after_loss(Duration::zero(), false, r); });
  expect_spread(seconds(4), seconds(8),
                [](auto& r) { return kth_failure(1, Duration::zero(), r); });
  expect_spread(seconds(900), seconds(1'800),
                [](auto& r) { return kth_failure(9, Duration::zero(), r); });
}

TEST(Backoff, KeepsNobodyWaitingLongInTheForegroundUnlessTheServerNeedsIt) {
  const auto tenth = [](Duration spread) {
    return [spread](base::Random& r) {
      Backoff backoff;
      for (int i = 1; i < 10; ++i) backoff.after_failure(spread, true, r);
      return backoff.after_failure(spread, true, r);
    };
  };
  expect_spread(seconds(15), seconds(30), tenth(seconds(10)));
  expect_spread(seconds(15), seconds(30), tenth(Duration::zero()));
  expect_spread(seconds(50), seconds(100), tenth(seconds(100)));
}

TEST(Backoff, LeavesWrongCredentialsAloneForLong) {
  expect_spread(minutes(5), seconds(450),
                [](auto& r) { return Backoff().after_bad_credentials(r); });
  base::Random random(1);
  Backoff backoff;
  for (int i = 0; i < 20; ++i) EXPECT_LE(backoff.after_bad_credentials(random), minutes(90));
}

TEST(Backoff, TakesUpItsCountWhereALoginDiedYoung) {
  base::Random random(1);
  Backoff backoff;
  for (int i = 0; i < 3; ++i) backoff.after_failure(seconds(2), false, random);
  backoff.on_login();
  EXPECT_EQ(backoff.failures(), 0U);
  backoff.on_early_death();
  EXPECT_EQ(backoff.failures(), 3U);
}

TEST(Rtt, GivesAnAnswerThreeTimesItsUsualTimeAndTheSpreadOfIt) {
  Rtt rtt;
  EXPECT_EQ(rtt.patience(seconds(1)), seconds(1));
  rtt.add(milliseconds(800));
  EXPECT_EQ(rtt.patience(seconds(1)), milliseconds(3 * 800 + 4 * 400));
  EXPECT_EQ(rtt.hedge(), milliseconds(800 + 4 * 400));
  for (int i = 0; i < 100; ++i) rtt.add(milliseconds(10));
  EXPECT_EQ(rtt.patience(seconds(1)), seconds(1));
  EXPECT_EQ(rtt.hedge(), milliseconds(300));
}

}  // namespace
}  // namespace wakeline::link
