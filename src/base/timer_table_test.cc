// SPDX-License-Identifier: Apache-2.0
#include "base/timer_table.h"

#include <gtest/gtest.h>

namespace wakeline::base {
namespace {

enum class Timer { kPing, kWindow, kCount };
constexpr Instant at(int n) { return Instant(Duration(n)); }

TEST(TimerTable, FiresTheEarliestFirstAndOnlyWhenDue) {
  TimerTable<Timer> timers;
  EXPECT_EQ(timers.next(), kNever);
  timers.set(Timer::kPing, at(20));
  timers.set(Timer::kWindow, at(10));
  EXPECT_EQ(timers.next(), at(10));
  EXPECT_EQ(timers.pop(at(9)), std::nullopt);
  EXPECT_EQ(timers.pop(at(30)), Timer::kWindow);
  EXPECT_EQ(timers.pop(at(30)), Timer::kPing);
  EXPECT_EQ(timers.pop(at(30)), std::nullopt);
}

TEST(TimerTable, BreaksTiesInTheOrderOfTheEnum) {
  TimerTable<Timer> timers;
  timers.set(Timer::kWindow, at(5));
  timers.set(Timer::kPing, at(5));
  EXPECT_EQ(timers.pop(at(5)), Timer::kPing);
}

TEST(SaturatingAdd, StopsAtNever) {
  EXPECT_EQ(saturating_add(at(5), Duration(3)), at(8));
  EXPECT_EQ(saturating_add(at(5), Duration::max()), kNever);
}

}  // namespace
}  // namespace wakeline::base
