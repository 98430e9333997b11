// SPDX-License-Identifier: Apache-2.0
#include "io/deadline_timer.h"

#include <gtest/gtest.h>

#include "io/clock.h"
#include "io/testing.h"

namespace wakeline::io {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

std::unique_ptr<DeadlineTimer> boottime(Loop& loop, std::function<void()> on_fired) {
  auto timer = DeadlineTimer::create(loop, TimerKind::kBoottime, std::move(on_fired));
  WL_CHECK(timer.has_value());
  return std::move(*timer);
}

TEST(DeadlineTimer, FiresNotBeforeItsInstantAndOnce) {
  Loop loop;
  int fired = 0;
  auto timer = boottime(loop, [&] { ++fired; });
  const base::Instant at = now() + milliseconds(20);
  timer->set(at);
  loop.run();
  EXPECT_GE(now(), at);
  EXPECT_EQ(fired, 1);
}

TEST(DeadlineTimer, FiresAtOnceForAPastInstantAlsoTheSameOneAgain) {
  Loop loop;
  int fired = 0;
  auto timer = boottime(loop, [&] { ++fired; });
  for (const auto& past : {base::Instant{}, base::Instant{}, base::Instant::min()}) {
    timer->set(past);
    loop.run();
  }
  EXPECT_EQ(fired, 3);
}

TEST(DeadlineTimer, MovedToLaterDoesNotFireAtTheEarlierInstant) {
  Loop loop;
  int fired = 0;
  auto timer = boottime(loop, [&] { ++fired; });
  timer->set(now());  // due, and its event is queued with the loop
  timer->set(now() + hours(1));
  run_ready(loop);
  EXPECT_EQ(fired, 0);
  timer->set(now());
  EXPECT_TRUE(run_until(loop, [&] { return fired == 1; }));
}

TEST(DeadlineTimer, DisarmedDoesNotKeepTheLoopRunning) {
  Loop loop;
  int fired = 0;
  auto timer = boottime(loop, [&] { ++fired; });
  timer->set(now() + hours(1));
  timer->set(base::kNever);
  loop.run();
  EXPECT_EQ(fired, 0);
  timer->set(now());
  loop.run();
  EXPECT_EQ(fired, 1);
}

TEST(DeadlineTimer, MayBeDestroyedInItsHandler) {
  Loop loop;
  std::unique_ptr<DeadlineTimer> timer = boottime(loop, [&] { timer.reset(); });
  timer->set(now());
  loop.run();
  EXPECT_EQ(timer, nullptr);
}

TEST(DeadlineTimer, AnAlarmIsMadeOrRefusedWithPermission) {
  Loop loop;
  const auto timer = DeadlineTimer::create(loop, TimerKind::kAlarm, [] {});
  if (!timer) {
    EXPECT_EQ(timer.error().code, base::ErrorCode::kPermission);
  }
}

}  // namespace
}  // namespace wakeline::io
