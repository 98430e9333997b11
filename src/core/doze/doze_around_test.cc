// SPDX-License-Identifier: Apache-2.0
#include "core/doze/doze_testing.h"

namespace wakeline::doze::testing {
namespace {

using base::kNever;
using enum LedgerEvent;

/// An app that may play and record, in the background.
struct Audio : ::testing::Test {
  Audio() {
    app = bed.doze.add_app({.name = "phone", .voip = true, .audio = true}).value();
    bed.launch(app);
    tag = bed.tag(app);
  }
  void session(bool active) {
    ASSERT_TRUE(bed.doze.on_audio_session(bed.now, app, active, bed.out));
  }
  List call(CallState state) {
    bed.doze.on_call_state(bed.now, state, bed.out);
    return bed.take();
  }
  Bed bed;
  AppId app;
  TagId tag;
};

TEST_F(Audio, C29AnActiveSessionKeepsTheAppRunningAndItsEndPutsTheRulesBack) {
  session(true);
  EXPECT_EQ(bed.take(), List{ledger(app, kAudio, "begun")});
  EXPECT_EQ(bed.doze.next_deadline(), kNever);
  EXPECT_EQ(bed.pass(2h), List{});
  session(true);  // already
  EXPECT_EQ(bed.take(), List{});
  session(false);
  EXPECT_EQ(bed.take(), List{ledger(app, kAudio, "ended")});
  EXPECT_EQ(bed.doze.find(app)->run.window_end, bed.now + 10s);
  bed.sleep(app);
}

TEST_F(Audio, C29IsRefusedWithoutTheMode) {
  bed.launch(bed.app);
  EXPECT_EQ(bed.doze.on_audio_session(bed.now, bed.app, true, bed.out).error().code,
            base::ErrorCode::kNotDeclared);
  EXPECT_EQ(bed.take(), List{ledger(bed.app, kRefuse, "not_declared")});
}

TEST_F(Audio, C29ASessionThatBeginsDuringTheFreezeResumesTheApp) {
  EXPECT_EQ(bed.idle(app), List{Suspend{app}});
  session(true);
  bed.take();
  EXPECT_EQ(bed.suspended(app, bed.reading(app)),
            (List{ledger(app, kSuspend, "quiet"), Resume{app, WakeCause::kTask, {}, 10s},
                  ledger(app, kWake, "task")}));
}

TEST_F(Audio, C29ASessionEndsWithTheRun) {
  session(true);
  bed.take();
  bed.exited(app, kExitCrashed);
  bed.doze.on_launched(bed.now, app, bed.out);
  bed.take();
  bed.tag(app);
  bed.sleep(app);
}

TEST_F(Audio, C29C30ACellularCallInterruptsTheSessionAndItsEndWakesTheApp) {
  session(true);
  bed.take();
  EXPECT_EQ(call(CallState::kIncoming), List{});
  EXPECT_EQ(bed.pass(1h), List{});
  EXPECT_EQ(call(CallState::kActive), List{ledger(app, kAudio, "interrupted")});
  EXPECT_EQ(bed.doze.find(app)->run.window_end, bed.now + 10s);
  bed.sleep(app);
  EXPECT_EQ(call(CallState::kEnded),
            (List{ledger(app, kAudio, "continued"), Unwatch{app},
                  Resume{app, WakeCause::kCall, {}, 10s}, ledger(app, kWake, "call")}));
  EXPECT_EQ(bed.pass(1h), List{});
}

TEST_F(Audio, C29ASessionThatBeginsInACallIsInterrupted) {
  call(CallState::kActive);
  session(true);
  bed.take();
  bed.sleep(app);
}

TEST_F(Audio, C30ACallWakesNoAppWithoutASession) {
  bed.sleep(app);
  for (const CallState state : {CallState::kIncoming, CallState::kActive, CallState::kEnded})
    EXPECT_EQ(call(state), List{});
  EXPECT_EQ(bed.doze.state(app), AppState::kSuspended);
}

// --- the machine's sleep, slices, memory
// -----------------------------------------------------------------------------------------------

struct Around : ::testing::Test {
  Around() {
    bed.launch(a);
    tag = bed.tag(a);
  }
  List ipc() {
    bed.doze.on_ipc_pending(bed.now, a, bed.out);
    return bed.take();
  }
  void keep_alive(Duration timeout) {
    ASSERT_TRUE(bed.doze.set_keep_alive(bed.now, a, timeout, bed.out));
    bed.take();
  }
  Bed bed;
  AppId a = bed.app;
  TagId tag;
};

TEST_F(Around, C18TheMachineSleepsAtOnceWhereNothingIsDueSoon) {
  keep_alive(600s);
  bed.sleep(a);
  bed.pass(299s - (bed.now - Instant{1'000s}));
  bed.doze.on_prepare_for_sleep(bed.now, bed.out);
  EXPECT_EQ(bed.take(), List{SleepReady{}});
}

TEST_F(Around, C18AHandlerWhoseWindowIsOpenRunsBeforeTheMachineSleeps) {
  keep_alive(600s);
  bed.sleep(a);
  bed.pass(400s - (bed.now - Instant{1'000s}));
  bed.doze.on_prepare_for_sleep(bed.now, bed.out);
  const List list = bed.take();
  ASSERT_GE(list.size(), 4U);
  EXPECT_EQ(list[1], Action(Resume{a, WakeCause::kKeepAlive, {}, 10s}));
  EXPECT_EQ(list[3], Action(RunKeepAlive{a, 10s}));
  EXPECT_THAT(list, ::testing::Not(::testing::Contains(Action(SleepReady{}))));
  bed.now += 2s;
  bed.doze.on_keep_alive_done(bed.now, a, bed.out);
  EXPECT_EQ(bed.take(), List{SleepReady{}});
  // Once.
  bed.sleep(a);
}

TEST_F(Around, C18TheMachineDoesNotWaitForAHandlerOverItsBudget) {
  keep_alive(600s);
  bed.sleep(a);
  bed.pass(400s);
  bed.doze.on_prepare_for_sleep(bed.now, bed.out);
  bed.take();
  const List list = bed.pass(10s);
  EXPECT_THAT(list, ::testing::Contains(Action(SleepReady{})));
}

TEST_F(Around, C18CatchesUpAfterTheMachinesSleep) {
  keep_alive(600s);
  bed.sleep(a);
  bed.now += 5h;
  bed.doze.on_system_resumed(bed.now, bed.out);
  const List list = bed.take();
  EXPECT_THAT(list, ::testing::Contains(Action(RunKeepAlive{a, 10s})));
}

TEST_F(Around, ASliceForOtherSocketsIsShortAndNotCounted) {
  bed.sleep(a);
  EXPECT_EQ(ipc(),
            (List{Unwatch{a}, Resume{a, WakeCause::kIpc, {}, 100ms}, ledger(a, kWake, "ipc")}));
  const Instant start = bed.now;
  EXPECT_EQ(bed.next(), List{Sample{a}});
  EXPECT_EQ(bed.now - start, 100ms);
  bed.doze.on_sample(bed.now, a, bed.reading(a), bed.out);
  EXPECT_EQ(bed.take(), List{Suspend{a}});
  EXPECT_EQ(bed.suspended(a, bed.reading(a)),
            (List{ledger(a, kSuspend, "slice_over"), Watch{a, tag, WatchMode::kLevel, 0}}));
  EXPECT_EQ(bed.doze.next_deadline(), kNever);
}

TEST_F(Around, DataOnALocalSocketThatMayWakeIsAWakeThatCounts) {
  bed.sleep(a);
  bed.doze.on_ipc_data(bed.now, a, bed.out);
  EXPECT_EQ(bed.take(),
            (List{Unwatch{a}, Resume{a, WakeCause::kIpc, {}, 10s}, ledger(a, kWake, "ipc", 1)}));
  EXPECT_FALSE(bed.doze.find(a)->run.slice);
  bed.sleep(a);
}

TEST_F(Around, SlicesKeepADistance) {
  bed.sleep(a);
  ipc();
  bed.next();
  bed.doze.on_sample(bed.now, a, bed.reading(a), bed.out);
  bed.suspended(a, bed.reading(a));
  const Instant ended = bed.now;
  EXPECT_EQ(ipc(), List{});
  EXPECT_EQ(bed.next()[1], Action(Resume{a, WakeCause::kIpc, {}, 100ms}));
  EXPECT_EQ(bed.now - ended, 1s);
}

TEST_F(Around, C9DataThatComesInASliceMakesItAWake) {
  bed.sleep(a);
  ipc();
  bed.next();
  bed.bytes += 10;
  bed.doze.on_sample(bed.now, a, bed.reading(a), bed.out);
  EXPECT_EQ(bed.take(), List{ledger(a, kWake, "socket_data", 1)});
  EXPECT_EQ(bed.doze.find(a)->run.window_end, bed.now + 10s);
  bed.sleep(a);
}

TEST_F(Around, C11DataThatComesBetweenASliceAndTheFreezeWakesAtOnce) {
  bed.sleep(a);
  ipc();
  bed.next();
  bed.doze.on_sample(bed.now, a, bed.reading(a), bed.out);
  bed.take();
  bed.bytes += 10;  // and the app has taken them
  EXPECT_EQ(bed.suspended(a, bed.reading(a)),
            (List{ledger(a, kSuspend, "slice_over"), Resume{a, WakeCause::kSocketData, tag, 10s},
                  ledger(a, kWake, "socket_data", 1)}));
}

TEST_F(Around, MemoryIsGivenBackAfterAMinuteOfSleepWhereItIsWanted) {
  bed.sleep(a);
  EXPECT_EQ(bed.doze.next_deadline(), kNever);  // off
  const Instant asleep = bed.now;
  EXPECT_EQ(bed.doze.suspended_since(a), asleep);
  bed.doze.set_config(bed.now, a, {.voip = true, .reclaim = true}, bed.out);
  EXPECT_EQ(bed.next(), List{Reclaim{a}});
  EXPECT_EQ(bed.now - asleep, 60s);
  EXPECT_EQ(bed.doze.next_deadline(), kNever);  // once a sleep
  bed.data(a, tag);
  EXPECT_EQ(bed.doze.suspended_since(a), std::nullopt);
  bed.sleep(a);
  bed.data(a, tag);  // before the minute is over
  bed.sleep(a);
  EXPECT_EQ(bed.next(), List{Reclaim{a}});
}

}  // namespace
}  // namespace wakeline::doze::testing
