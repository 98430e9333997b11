// SPDX-License-Identifier: Apache-2.0
#include "server/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/random.h"

namespace wakeline::server {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

const base::Instant kStart = base::Instant{} + hours(5);

std::vector<std::uint32_t> due(TimerWheel& wheel, base::Instant now) {
  std::vector<std::uint32_t> ids;
  wheel.advance(now, ids);
  std::ranges::sort(ids);
  return ids;
}

TEST(TimerWheel, FiresEachOnceAndNotBeforeItsTime) {
  TimerWheel wheel(kStart);
  EXPECT_EQ(wheel.next(), base::kNever);
  wheel.set(0, kStart + seconds(1));
  wheel.set(1, kStart + seconds(900));
  wheel.set(2, kStart + hours(2));
  EXPECT_EQ(due(wheel, kStart + milliseconds(999)), std::vector<std::uint32_t>{});
  EXPECT_EQ(due(wheel, kStart + seconds(2)), std::vector<std::uint32_t>{0});
  EXPECT_EQ(due(wheel, kStart + seconds(899)), std::vector<std::uint32_t>{});
  EXPECT_EQ(due(wheel, kStart + hours(3)), (std::vector<std::uint32_t>{1, 2}));
  EXPECT_EQ(wheel.next(), base::kNever);
}

TEST(TimerWheel, MovesAndTakesOutADeadline) {
  TimerWheel wheel(kStart);
  wheel.set(7, kStart + seconds(5));
  wheel.set(7, kStart + seconds(50));
  wheel.set(8, kStart + seconds(5));
  wheel.set(8, base::kNever);
  wheel.set(9, base::kNever);
  EXPECT_EQ(due(wheel, kStart + seconds(49)), std::vector<std::uint32_t>{});
  EXPECT_EQ(due(wheel, kStart + seconds(51)), std::vector<std::uint32_t>{7});
}

TEST(TimerWheel, FiresWhatIsOverdueWithTheNextTick) {
  TimerWheel wheel(kStart);
  EXPECT_EQ(due(wheel, kStart + seconds(10)), std::vector<std::uint32_t>{});
  wheel.set(1, kStart);
  EXPECT_EQ(due(wheel, kStart + seconds(10) + 2 * TimerWheel::kTick),
            std::vector<std::uint32_t>{1});
}

TEST(TimerWheel, KeepsADeadlineBeyondItsWidestWheel) {
  TimerWheel wheel(kStart);
  wheel.set(1, kStart + hours(24 * 40));
  base::Instant now = kStart;
  int turns = 0;
  while (now < kStart + hours(24 * 40)) {
    EXPECT_EQ(due(wheel, now), std::vector<std::uint32_t>{});
    now = std::max(now + seconds(1), wheel.next());
    ASSERT_LT(++turns, 1'000);
  }
  EXPECT_EQ(due(wheel, now), std::vector<std::uint32_t>{1});
}

TEST(TimerWheel, DoesAtRandomWhatASortedListDoes) {
  base::Random random(1);
  TimerWheel wheel(kStart);
  std::map<std::uint32_t, base::Instant> expected;
  base::Instant now = kStart;
  for (int i = 0; i < 20'000; ++i) {
    const auto id = static_cast<std::uint32_t>(random.next() % 200);
    const base::Duration spans[] = {seconds(1), seconds(60), seconds(4'000), hours(30)};
    const base::Duration ahead = random.between(base::Duration::zero(), spans[random.next() % 4]);
    wheel.set(id, now + ahead);
    expected[id] = now + ahead;
    if (random.chance(1, 3)) {
      now += random.between(base::Duration::zero(), spans[random.next() % 3]);
      for (const std::uint32_t fired : due(wheel, now)) {
        ASSERT_TRUE(expected.contains(fired));
        EXPECT_LE(expected[fired], now);
        expected.erase(fired);
      }
      for (const auto& [left, at] : expected) EXPECT_GT(at + 2 * TimerWheel::kTick, now) << left;
    }
    if (!expected.empty()) {
      ASSERT_NE(wheel.next(), base::kNever);
    }
  }
}

}  // namespace
}  // namespace wakeline::server
