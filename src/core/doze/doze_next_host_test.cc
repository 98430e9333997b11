// SPDX-License-Identifier: Apache-2.0
// What a host leaves to the next one, after an upgrade or its death.
#include "core/doze/doze_testing.h"

namespace wakeline::doze::testing {
namespace {

using base::ErrorCode;
using enum LedgerEvent;

struct NextHost : ::testing::Test {
  explicit NextHost(Profile profile = Profile::linux_default()) : bed(std::move(profile)) {
    bed.launch(bed.app);
    tag = bed.tag(bed.app);
    bed.sleep(bed.app);
  }

  /// The app was let run, tags again, and is asleep under a new machine.
  void restart(Duration gap = 1s) {
    const Earlier earlier = bed.doze.for_next_host(bed.app);
    Bed next(bed.doze.profile());
    next.now = bed.now + gap;
    next.bytes = bed.bytes;
    next.cpu = bed.cpu;
    bed = std::move(next);
    bed.doze.on_adopted(bed.now, bed.app, bed.out, earlier);
    tag = bed.tag(bed.app);
  }
  /// One wake by data, and asleep again.
  List ring() {
    List list = bed.data(bed.app, tag);
    if (bed.doze.state(bed.app) == AppState::kBackground) bed.sleep(bed.app);
    return list;
  }
  const App& app() const { return *bed.doze.find(bed.app); }

  Bed bed;
  TagId tag;
};
struct NextHostOnIos : NextHost {
  NextHostOnIos() : NextHost(Profile::ios()) {}
};

TEST_F(NextHost, C13AnAppAtTheLimitOfItsWakesIsStillThere) {
  for (int i = 0; i < 15; ++i) ring();
  restart();
  EXPECT_EQ(app().run.limiter.count(bed.now, bed.doze.profile()), 15);
  bed.sleep(bed.app);
  EXPECT_EQ(ring(), (List{Unwatch{bed.app}, ledger(bed.app, kWakeDelayed, "socket_data", 1'000)}));
  bed.next();
  bed.sleep(bed.app);
  // And how far the delay has grown.
  restart();
  bed.sleep(bed.app);
  EXPECT_EQ(ring(), (List{Unwatch{bed.app}, ledger(bed.app, kWakeDelayed, "socket_data", 2'000)}));
}

TEST_F(NextHost, C13TheLimitIsForgottenAsItWouldHaveBeenWithoutTheRestart) {
  for (int i = 0; i < 15; ++i) ring();
  restart(300s);
  EXPECT_EQ(app().run.limiter.count(bed.now, bed.doze.profile()), 0);
}

TEST_F(NextHostOnIos, C13AnAppAtTheLimitOfItsWakesIsKilledByTheNextOne) {
  for (int i = 0; i < 15; ++i) ring();
  restart();
  bed.sleep(bed.app);
  EXPECT_EQ(ring(), (List{Unwatch{bed.app}, Kill{bed.app, KillReason::kWakeLimit, false},
                          ledger(bed.app, kKill, "wake_limit")}));
}

TEST_F(NextHost, C14ARunningBudgetThatIsUsedUpStaysSo) {
  bed.data(bed.app, tag);
  ASSERT_TRUE(bed.doze.begin_task(bed.now, bed.app, bed.out));
  bed.pass(170s);
  const Duration left = app().budget.left(bed.now, bed.doze.profile());
  EXPECT_LT(left, 15min - 170s + 10s);
  restart(20s);
  // It ran when that host ended, and goes on running.
  EXPECT_EQ(app().budget.left(bed.now, bed.doze.profile()), left - 20s);
  // A smaller budget, as after a changed profile, is used up and no more than that.
  Profile small = bed.doze.profile();
  small.run_budget = 60s;
  EXPECT_EQ(RunBudget(app().budget.past(), small).left(bed.now, small), 0s);
}

TEST_F(NextHost, C40AWakeThatWasAskedForComesInItsTimeAndOnce) {
  ASSERT_TRUE(bed.doze.request_wake(bed.now, bed.app, 60s, 120s, bed.out));
  const Instant due = bed.now + 120s;
  restart();
  bed.sleep(bed.app);
  // The app did not ask again: it does not know this machine's number of it.
  EXPECT_EQ(bed.next(),
            (List{Unwatch{bed.app}, Resume{bed.app, WakeCause::kWakeRequest, {}, 10s},
                  ledger(bed.app, kWake, "wake_request", 1), ledger(bed.app, kWakeRequest, "due"),
                  SetAlarm{base::kNever, base::kNever}}));
  EXPECT_EQ(bed.now, due);
  bed.sleep(bed.app);
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);
}

TEST_F(NextHost, C40AWakeThatIsAskedForAgainCostsNothingAndIsNoLater) {
  // The app's own clock was read a moment before the host's, now or then.
  for (const Duration latest : {114s, 116s}) {
    ASSERT_TRUE(bed.doze.request_wake(bed.now, bed.app, 60s, 120s, bed.out));
    const Instant due = bed.now + 5s + std::min<Duration>(latest, 115s);
    const int taken = app().allowance.taken();
    restart(5s);
    bed.take();
    const auto again = bed.doze.request_wake(bed.now, bed.app, 55s, latest, bed.out);
    ASSERT_TRUE(again);
    EXPECT_THAT(bed.take(),
                ::testing::Contains(Action(ledger(bed.app, kWakeRequest, "asked_again",
                                                  static_cast<std::int64_t>(again->value)))));
    EXPECT_EQ(app().run.wakes.size(), 1U);
    EXPECT_EQ(app().allowance.taken(), taken);
    bed.sleep(bed.app);
    EXPECT_EQ(bed.next(),
              (List{Unwatch{bed.app}, Resume{bed.app, WakeCause::kWakeRequest, {}, 10s},
                    ledger(bed.app, kWake, "wake_request", taken), RunWake{bed.app, *again},
                    ledger(bed.app, kWakeRequest, "due"), SetAlarm{base::kNever, base::kNever}}));
    EXPECT_EQ(bed.now, due);
    bed.sleep(bed.app);
  }
}

TEST_F(NextHost, C40TheDaysWakesAreCountedOn) {
  const int most = bed.doze.profile().wakes_per_day;
  for (int i = 0; i < most; ++i) {
    ASSERT_TRUE(bed.doze.request_wake(bed.now, bed.app, 10s, 10s, bed.out));
    bed.next();
    bed.sleep(bed.app);
    bed.take();
  }
  restart();
  const auto refused = bed.doze.request_wake(bed.now, bed.app, 10s, 10s, bed.out);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOverBudget);
}

TEST_F(NextHost, C40AnAppThatAsksForOthersIsNotRefusedForTheOldOnes) {
  for (std::size_t i = 0; i < kWakesMax; ++i) {
    ASSERT_TRUE(bed.doze.request_wake(bed.now, bed.app, 60s, 120s, bed.out));
  }
  restart();
  EXPECT_EQ(app().run.wakes.size(), kWakesMax);
  for (std::size_t i = 0; i < kWakesMax; ++i) {
    EXPECT_TRUE(bed.doze.request_wake(bed.now, bed.app, 600s, 900s, bed.out));
    EXPECT_EQ(app().run.wakes.size(), kWakesMax);
  }
  EXPECT_FALSE(bed.doze.request_wake(bed.now, bed.app, 600s, 900s, bed.out));
}

TEST_F(NextHost, IsToldOfAnAppThatDoesNotRunWhatItHasUsedAlone) {  // C14, C40
  bed.doze.on_foreground(bed.now, bed.app, bed.out);
  bed.doze.on_background(bed.now, bed.app, bed.out);
  ASSERT_TRUE(bed.doze.set_keep_alive(bed.now, bed.app, 600s, bed.out));
  ASSERT_TRUE(bed.doze.request_wake(bed.now, bed.app, 60s, 120s, bed.out));
  bed.now += 5s;
  bed.exited(bed.app, kExitOk);
  const Earlier earlier = bed.doze.for_next_host(bed.app);
  EXPECT_EQ(earlier, (Earlier{.budget = app().budget.past(), .allowance = app().allowance.past()}));
  EXPECT_GE(earlier.budget.used, 5s);
  EXPECT_FALSE(earlier.budget.runs);
  EXPECT_EQ(earlier.allowance.taken, 1);
  Bed next(bed.doze.profile());
  next.doze.on_found_ended(next.app, earlier);
  EXPECT_EQ(next.doze.for_next_host(next.app), earlier);
  // It is about no run: one that is under way has its own.
  next.launch(next.app);
  const Earlier of_run = next.doze.for_next_host(next.app);
  next.doze.on_found_ended(next.app, {});
  EXPECT_EQ(next.doze.for_next_host(next.app), of_run);
  EXPECT_EQ(of_run.allowance.taken, 1);
}

TEST_F(NextHost, C23WhatTheUserClosedIsNotLaunchedAtItsStart) {
  bed.doze.on_close_wanted(bed.now, bed.app, bed.out);
  bed.exited(bed.app, kExitOk);
  const Earlier earlier = bed.doze.for_next_host(bed.app);
  EXPECT_TRUE(earlier.closed);
  Bed next(bed.doze.profile());
  next.doze.on_found_ended(next.app, earlier);
  next.doze.on_boot(next.now, next.out);
  EXPECT_EQ(next.doze.state(next.app), AppState::kStopped);
  // Until the user starts it: the host after that launches it again.
  next.launch(next.app);
  EXPECT_FALSE(next.doze.for_next_host(next.app).closed);
  next.exited(next.app, kExitOk);
  EXPECT_FALSE(next.doze.for_next_host(next.app).closed);
}

TEST_F(NextHost, C23GoesOnClosingWhatTheUserCloses) {
  bed.doze.on_close_wanted(bed.now, bed.app, bed.out);
  const Earlier earlier = bed.doze.for_next_host(bed.app);
  EXPECT_TRUE(earlier.closed);
  Bed next(bed.doze.profile());
  next.doze.on_adopted(next.now, next.app, next.out, earlier);
  EXPECT_EQ(next.take(), (List{ledger(next.app, kLaunch, "adopted"),
                               Kill{next.app, KillReason::kClosedByUser, true},
                               ledger(next.app, kKill, "closed_by_user")}));
  next.exited(next.app, {});
  next.doze.on_boot(next.now, next.out);
  EXPECT_EQ(next.doze.state(next.app), AppState::kStopped);
}

}  // namespace
}  // namespace wakeline::doze::testing
