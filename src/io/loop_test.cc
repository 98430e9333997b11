// SPDX-License-Identifier: Apache-2.0
#include "io/loop.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <thread>

#include "io/clock.h"
#include "io/signals.h"
#include "io/testing.h"

namespace wakeline::io {
namespace {

TEST(Loop, RunsPostedTasksInOrderAndReturnsWhenNothingIsLeft) {
  Loop loop;
  std::string order;
  loop.post([&] {
    order += 'a';
    loop.post([&] { order += 'c'; });
  });
  loop.post([&] { order += 'b'; });
  loop.run();
  EXPECT_EQ(order, "abc");
}

TEST(Loop, DoesNotLoseAStopThatComesBeforeTheRun) {
  Loop loop;
  bool ran = false;
  loop.post([&] { ran = true; });
  loop.stop();
  loop.run();
  EXPECT_FALSE(ran);
  loop.run();
  EXPECT_TRUE(ran);
}

TEST(Loop, RunsATaskPostedByAnotherThreadOnItsOwnThread) {
  Loop loop;
  std::thread::id ran_on;
  std::thread other([&] { loop.post([&] { ran_on = std::this_thread::get_id(); }); });
  other.join();
  loop.run();
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST(Clock, CountsForwardAndSeedsDiffer) {
  const base::Instant first = now();
  EXPECT_LE(first, now());
  EXPECT_GT(wall_now().time_since_epoch(), std::chrono::hours(24 * 365 * 50));
  EXPECT_NE(random_seed(), random_seed());
}

TEST(Signals, CallsForEachSignalAndMayBeDestroyedInItsHandler) {
  Loop loop;
  int calls = 0;
  std::unique_ptr<Signals> signals = Signals::create(loop, {SIGUSR1, SIGUSR2}, [&](int number) {
    ++calls;
    if (number == SIGUSR2) signals.reset();
  });
  ::raise(SIGUSR1);
  EXPECT_TRUE(run_until(loop, [&] { return calls == 1; }));
  ::raise(SIGUSR2);
  EXPECT_TRUE(run_until(loop, [&] { return calls == 2; }));
  loop.run();
  EXPECT_EQ(signals, nullptr);
}

}  // namespace
}  // namespace wakeline::io
