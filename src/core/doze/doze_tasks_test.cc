// SPDX-License-Identifier: Apache-2.0
#include "core/doze/doze_testing.h"

namespace wakeline::doze::testing {
namespace {

using enum LedgerEvent;

struct BackgroundTasks : ::testing::Test {
  BackgroundTasks() {
    bed.launch(a);
    bed.tag(a);
  }
  TaskId begin() {
    const TaskId task = bed.doze.begin_task(bed.now, a, bed.out).value();
    bed.take();
    return task;
  }
  Bed bed;
  AppId a = bed.app;
};

std::int64_t value(TaskId task) { return static_cast<std::int64_t>(task.value); }

TEST_F(BackgroundTasks, C20KeepTheAppRunningUntilTheLastHasEnded) {
  const TaskId first = begin();
  const TaskId second = begin();
  EXPECT_EQ(bed.pass(100s), List{});
  EXPECT_TRUE(bed.doze.end_task(bed.now, a, first, bed.out));
  EXPECT_EQ(bed.take(), (List{ledger(a, kTaskEnd, "ended", value(first))}));
  EXPECT_EQ(bed.pass(50s), List{});
  EXPECT_TRUE(bed.doze.end_task(bed.now, a, second, bed.out));
  EXPECT_EQ(bed.take(), (List{ledger(a, kTaskEnd, "ended", value(second))}));
  const Instant start = bed.now;
  EXPECT_EQ(bed.idle(a), List{Suspend{a}});
  EXPECT_EQ(bed.now - start, 1'100ms);
  EXPECT_EQ(bed.doze.end_task(bed.now, a, second, bed.out).error().code,
            base::ErrorCode::kNotFound);
}

TEST_F(BackgroundTasks, C20ShareOnePoolAndTellWhatIsLeft) {
  EXPECT_EQ(bed.doze.background_time_remaining(bed.now, a), 180s);
  const TaskId first = begin();
  bed.pass(60s);
  EXPECT_EQ(bed.doze.background_time_remaining(bed.now, a), 120s);
  begin();
  EXPECT_TRUE(bed.doze.end_task(bed.now, a, first, bed.out));
  EXPECT_EQ(bed.doze.background_time_remaining(bed.now, a), 120s);
  bed.foreground(a);
  EXPECT_EQ(bed.doze.background_time_remaining(bed.now, a), std::nullopt);
  bed.pass(1h);
  bed.background(a);
  EXPECT_EQ(bed.doze.background_time_remaining(bed.now, a), 180s);
}

TEST_F(BackgroundTasks, C20CannotStretchThePoolByBeginningAnew) {
  for (int i = 0; i < 90; ++i) {
    const TaskId task = begin();
    bed.now += 1s;
    EXPECT_TRUE(bed.doze.end_task(bed.now, a, task, bed.out));
    bed.pass(1s);
    bed.take();
  }
  EXPECT_EQ(bed.doze.begin_task(bed.now, a, bed.out).error().code, base::ErrorCode::kBusy);
  EXPECT_EQ(bed.take(), List{ledger(a, kRefuse, "busy")});
}

TEST_F(BackgroundTasks, C21WarnsThenKillsWhoseTasksAreStillOpen) {
  const TaskId first = begin();
  const TaskId second = begin();
  EXPECT_EQ(bed.pass(175s), (List{ExpireTask{a, first, 5s}, ExpireTask{a, second, 5s}}));
  EXPECT_TRUE(bed.doze.end_task(bed.now, a, first, bed.out));
  bed.take();
  EXPECT_EQ(bed.pass(5s),
            (List{ledger(a, kTaskExpired, "pool_empty", value(second)),
                  Kill{a, KillReason::kTasksExpired, false}, ledger(a, kKill, "tasks_expired")}));
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);
  EXPECT_EQ(bed.exited(a, {.signaled = true, .code = 9})[1],
            Action(Launch{a, LaunchReason::kCrash}));
}

TEST_F(BackgroundTasks, C21WarnsATaskThatBeginsWhenThePoolIsNearlyEmpty) {
  begin();
  bed.pass(175s);
  bed.pass(2s);
  const TaskId late = begin();
  EXPECT_EQ(bed.next(), (List{ExpireTask{a, late, 3s}}));
}

TEST_F(BackgroundTasks, C21HaveTheirLastSecondsAlsoWhenTheMachineSleptOverThem) {
  const TaskId task = begin();
  EXPECT_EQ(bed.pass(8h), List{(ExpireTask{a, task, 5s})});
  EXPECT_EQ(bed.pass(4s), List{});
  EXPECT_EQ(bed.pass(1s)[1], Action(Kill{a, KillReason::kTasksExpired, false}));
}

TEST_F(BackgroundTasks, C21EndingThemInTimeIsEnough) {
  const TaskId task = begin();
  bed.pass(175s);
  EXPECT_TRUE(bed.doze.end_task(bed.now, a, task, bed.out));
  bed.take();
  EXPECT_EQ(bed.idle(a), List{Suspend{a}});
}

TEST_F(BackgroundTasks, C20AWakeGivesAFullPool) {
  const TaskId task = begin();
  bed.pass(170s);
  EXPECT_TRUE(bed.doze.end_task(bed.now, a, task, bed.out));
  bed.take();
  bed.sleep(a);
  bed.foreground(a);
  bed.background(a);
  EXPECT_EQ(bed.doze.background_time_remaining(bed.now, a), 180s);
}

TEST_F(BackgroundTasks, BoundsTheTasksOfAnApp) {
  for (std::size_t i = 0; i < kTasksMax; ++i) begin();
  EXPECT_EQ(bed.doze.begin_task(bed.now, a, bed.out).error().code, base::ErrorCode::kTooLarge);
  EXPECT_EQ(bed.take(), List{ledger(a, kRefuse, "too_large")});
}

}  // namespace
}  // namespace wakeline::doze::testing
