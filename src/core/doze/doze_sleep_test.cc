// SPDX-License-Identifier: Apache-2.0
#include "core/doze/doze_testing.h"

namespace wakeline::doze::testing {
namespace {

using enum LedgerEvent;

TEST(Sleep, C8C12SuspendsABackgroundAppAfterOneSecondOfQuietAndWatchesIt) {
  Bed bed;
  const AppId a = bed.app;
  bed.foreground(a);
  bed.doze.on_launched(bed.now, a, bed.out);
  const TagId tag = bed.tag(a);
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);

  EXPECT_EQ(bed.background(a),
            (List{TellState{a, AppState::kBackground}, ledger(a, kBackground, "user")}));
  const Instant start = bed.now;
  EXPECT_EQ(bed.idle(a), List{Suspend{a}});
  EXPECT_EQ(bed.now - start, 1'100ms);  // the first sample says where quiet is counted from
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);
  EXPECT_EQ(bed.suspended(a, bed.reading(a)),
            (List{ledger(a, kSuspend, "quiet"), Watch{a, tag, WatchMode::kLevel, 0}}));
  EXPECT_EQ(bed.doze.state(a), AppState::kSuspended);
}

TEST(Sleep, C12LooksAtAQuietAppAfterTwiceTheTimeAndFromTheFirstLookOnWhenItIsNot) {
  Bed bed;
  const AppId a = bed.app;
  bed.launch(a);
  bed.tag(a);
  const Instant start = bed.now;
  std::vector<Duration> looks;
  for (List list = bed.next(); list == List{Sample{a}}; list = bed.next()) {
    looks.push_back(bed.now - start);
    if (bed.now - start == 500ms) bed.cpu += 5ms;
    bed.doze.on_sample(bed.now, a, bed.reading(a), bed.out);
    if (const List answer = bed.take(); !answer.empty()) {
      EXPECT_EQ(answer, List{Suspend{a}});
      break;
    }
  }
  EXPECT_EQ(looks, (std::vector<Duration>{100ms, 200ms, 300ms, 500ms, 600ms, 700ms, 900ms, 1'300ms,
                                          1'500ms}));
}

TEST(Sleep, C12ReadsSocketsAndThreadsOnlyWhereItsAnswerDependsOnThem) {
  constexpr LookNeeds kAll{.sockets = true, .threads = true};
  Bed bed;
  const AppId a = bed.app;
  bed.launch(a);
  bed.tag(a);
  const auto needs = [&](Duration more = {}) {
    return bed.doze.look_needs(bed.now, a, bed.cpu + more);
  };
  const auto look = [&] {
    bed.doze.on_sample(bed.now, a, bed.reading(a), bed.out);
    EXPECT_EQ(bed.take(), List{});
    EXPECT_EQ(bed.next(), List{Sample{a}});
  };
  EXPECT_EQ(bed.next(), List{Sample{a}});
  EXPECT_EQ(needs(), LookNeeds{.sockets = true}) << "the first look";
  look();
  EXPECT_EQ(needs(), LookNeeds{}) << "it did not run";
  EXPECT_EQ(needs(500us), kAll) << "it ran for less than a hundredth";
  EXPECT_EQ(needs(2ms), (LookNeeds{.sockets = true, .busy = true})) << "it has worked";
  for (int i = 0; i < 4; ++i) look();
  EXPECT_EQ(needs(), kAll) << "the last look";
  bed.doze.on_sample(bed.now, a, bed.reading(a), bed.out);
  EXPECT_EQ(bed.take(), List{Suspend{a}});
  bed.suspended(a, bed.reading(a));
  EXPECT_EQ(needs(), LookNeeds{});
}

TEST(Sleep, C11BytesThatComeBetweenLooksAtAnAppThatDoesNotReadThemWakeItAfterTheFreeze) {
  Bed bed;
  const AppId a = bed.app;
  bed.launch(a);
  const TagId tag = bed.tag(a);
  EXPECT_EQ(bed.next(), List{Sample{a}});
  bed.doze.on_sample(bed.now, a, bed.reading(a), bed.out);
  const auto read_what_is_needed = [&] {
    const LookNeeds needs = bed.doze.look_needs(bed.now, a, bed.cpu);
    Reading reading = bed.reading(a);
    if (!needs.sockets) reading.tags.clear();
    bed.doze.on_sample(bed.now, a, reading, bed.out);
    return bed.take();
  };
  List answer;
  while (answer.empty()) {
    ASSERT_EQ(bed.next(), List{Sample{a}});
    answer = read_what_is_needed();
  }
  EXPECT_EQ(answer, List{Suspend{a}});
  bed.bytes += 10;  // after the last look
  EXPECT_EQ(bed.suspended(a, bed.reading(a, 10)),
            (List{ledger(a, kSuspend, "quiet"), Resume{a, WakeCause::kSocketData, tag, 10s},
                  ledger(a, kWake, "socket_data", 1)}));
}

TEST(Sleep, C12HasNoTimerAtAllWhileEveryAppIsSuspended) {
  Bed bed;
  for (const AppId id : {bed.app, bed.add("chat"), bed.add("phone")}) {
    bed.launch(id);
    bed.tag(id);
    bed.sleep(id);
  }
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);
}

TEST(Sleep, C9WakesOnDataInTheBackgroundWithAWindowOfTenSeconds) {
  Bed bed;
  const AppId a = bed.app;
  bed.launch(a);
  const TagId tag = bed.tag(a);
  bed.sleep(a);
  bed.now += 3'600s;
  EXPECT_EQ(bed.data(a, tag), (List{Unwatch{a}, Resume{a, WakeCause::kSocketData, tag, 10s},
                                    ledger(a, kWake, "socket_data", 1)}));
  EXPECT_EQ(bed.doze.state(a), AppState::kBackground);
  EXPECT_EQ(bed.doze.next_deadline(), bed.now + 100ms);
  EXPECT_EQ(bed.data(a, tag), List{});  // the watch is gone, a late event is no second wake
}

TEST(Sleep, C9SuspendsABusyAppWhenItsWindowIsOver) {
  Bed bed;
  const AppId a = bed.app;
  bed.launch(a);
  bed.tag(a);
  const Instant start = bed.now;
  List list;
  for (list = bed.next(); list == List{Sample{a}}; list = bed.next()) {
    bed.cpu += 50ms;
    bed.doze.on_sample(bed.now, a, bed.reading(a), bed.out);
  }
  EXPECT_EQ(list, List{Suspend{a}});
  EXPECT_EQ(bed.now - start, 10s);
  EXPECT_EQ(bed.suspended(a, bed.reading(a)).front(), Action(ledger(a, kSuspend, "window_over")));
}

TEST(Sleep, C11LeavesAnAppAwakeThatHasWorkAndGetsNoProcessor) {
  Bed bed;
  const AppId a = bed.app;
  bed.launch(a);
  bed.tag(a);
  const Instant start = bed.now;
  List answer;
  while (answer.empty() && bed.next() == List{Sample{a}}) {
    Reading reading = bed.reading(a);
    reading.busy = bed.now - start < 3s;
    bed.doze.on_sample(bed.now, a, reading, bed.out);
    answer = bed.take();
  }
  EXPECT_EQ(answer, List{Suspend{a}});
  EXPECT_EQ(bed.now - start, 3'900ms);  // a second after the last sample that found it busy
}

TEST(Sleep, C12ToleratesTheOnePercentOfAnIdleProgramsTimers) {
  Bed bed;
  bed.launch(bed.app);
  bed.tag(bed.app);
  const Instant start = bed.now;
  for (List list = bed.next(); list == List{Sample{bed.app}}; list = bed.next()) {
    bed.cpu += 1ms;
    bed.doze.on_sample(bed.now, bed.app, bed.reading(bed.app), bed.out);
    if (bed.take() == List{Suspend{bed.app}}) break;
  }
  EXPECT_EQ(bed.now - start, 1'100ms);
}

TEST(Sleep, C14NewDataInTheWindowRenewsIt) {
  Bed bed;
  const AppId a = bed.app;
  bed.launch(a);
  bed.tag(a);
  const Instant start = bed.now;
  while (bed.now - start < 60s) {
    ASSERT_EQ(bed.next(), List{Sample{a}});
    bed.bytes += 1;
    bed.doze.on_sample(bed.now, a, bed.reading(a), bed.out);
  }
  const Instant last_data = bed.now;
  EXPECT_EQ(bed.idle(a), List{Suspend{a}});
  EXPECT_EQ(bed.now - last_data, 1s);
}

TEST(Sleep, C35AnAppWithoutALineHasItsWholeWindowToGetOne) {
  Bed bed;
  bed.launch(bed.app);
  const TagId tag = bed.tag(bed.app);
  bed.sleep(bed.app);
  bed.data(bed.app, tag);
  ASSERT_TRUE(bed.doze.untag(bed.now, bed.app, tag, bed.out));
  bed.take();
  const Instant start = bed.now;
  EXPECT_EQ(bed.idle(bed.app), List{Suspend{bed.app}});
  EXPECT_EQ(bed.now - start, 10s);
}

TEST(Sleep, C22ALaunchedAppHasAMinuteForItsFirstLine) {
  Bed bed;
  bed.launch(bed.app);
  const Instant start = bed.now;
  EXPECT_EQ(bed.idle(bed.app), List{Suspend{bed.app}});
  EXPECT_EQ(bed.now - start, 60s);
}

TEST(Sleep, C22TheFirstLineEndsTheWindowOfTheLaunch) {
  Bed bed;
  bed.launch(bed.app);
  bed.tag(bed.app);
  EXPECT_EQ(bed.doze.find(bed.app)->run.window_end, bed.now + 10s);
  bed.sleep(bed.app);
}

TEST(Sleep, C22AProgramThatTagsNothingItselfHasTheWindowOfAWake) {
  Bed bed;
  const AppId plain =
      bed.doze.add_app({.name = "plain", .voip = true, .tags_itself = false}).value();
  bed.launch(plain);
  const Instant start = bed.now;
  EXPECT_EQ(bed.idle(plain), List{Suspend{plain}});
  EXPECT_EQ(bed.now - start, 10s);
}

TEST(Sleep, AnAppThatIsNotVoipSleepsAsSoonAsItIsQuiet) {
  Bed bed;
  const AppId editor = bed.add("editor", false);
  bed.launch(editor);
  const Instant start = bed.now;
  EXPECT_EQ(bed.idle(editor), List{Suspend{editor}});
  EXPECT_EQ(bed.now - start, 1'100ms);
  EXPECT_EQ(bed.suspended(editor, {}), List{ledger(editor, kSuspend, "quiet")});
}

TEST(Sleep, TheClassicProfileDoesNotLinger) {
  Bed bed(Profile::ios_classic());
  bed.launch(bed.app);
  bed.tag(bed.app);
  const Instant start = bed.now;
  EXPECT_EQ(bed.idle(bed.app), List{Suspend{bed.app}});
  EXPECT_EQ(bed.now - start, 200ms);
}

// --- events that come while a suspension is under way
// -----------------------------------------------------------------

struct InFlight : ::testing::Test {
  InFlight() {
    bed.launch(a);
    tag = bed.tag(a);
    EXPECT_EQ(bed.idle(a), List{Suspend{a}});
  }
  Bed bed;
  AppId a = bed.app;
  TagId tag;
};

TEST_F(InFlight, TheForegroundResumesRightAfterTheFreeze) {
  EXPECT_EQ(bed.foreground(a), List{});
  EXPECT_EQ(bed.suspended(a, bed.reading(a)),
            (List{ledger(a, kSuspend, "quiet"), Resume{a, WakeCause::kForeground, {}, 0s},
                  ledger(a, kWake, "foreground"), TellState{a, AppState::kForeground},
                  ledger(a, kForeground, "user")}));
  EXPECT_EQ(bed.doze.state(a), AppState::kForeground);
}

TEST_F(InFlight, ForegroundAndBackCancelEachOther) {
  bed.foreground(a);
  bed.background(a);
  EXPECT_EQ(bed.suspended(a, bed.reading(a)),
            (List{ledger(a, kSuspend, "quiet"), Watch{a, tag, WatchMode::kLevel, 0}}));
}

TEST_F(InFlight, ABackgroundTaskResumesRightAfterTheFreeze) {
  const TaskId task = bed.doze.begin_task(bed.now, a, bed.out).value();
  EXPECT_EQ(bed.take(), (List{ledger(a, kTaskBegin, "begun", std::int64_t(task.value))}));
  EXPECT_EQ(bed.suspended(a, bed.reading(a)),
            (List{ledger(a, kSuspend, "quiet"), Resume{a, WakeCause::kTask, {}, 10s},
                  ledger(a, kWake, "task")}));
}

TEST_F(InFlight, ANetworkChangeResumesRightAfterTheFreeze) {
  bed.doze.on_network_changed(bed.now, bed.out);
  EXPECT_EQ(bed.take(), List{});
  EXPECT_EQ(bed.suspended(a, bed.reading(a)),
            (List{ledger(a, kSuspend, "quiet"), Resume{a, WakeCause::kNetwork, {}, 10s},
                  ledger(a, kWake, "network", 1)}));
}

TEST_F(InFlight, AnExitLeavesTheLateAnswerWithoutEffect) {
  EXPECT_EQ(bed.exited(a, kExitOk), List{ledger(a, kExit, "ok")});
  EXPECT_EQ(bed.suspended(a, {}), List{});
  EXPECT_EQ(bed.doze.state(a), AppState::kStopped);
}

TEST_F(InFlight, APoliteCloseLetsTheAppRunToItsEnd) {
  bed.doze.on_close_wanted(bed.now, a, bed.out);
  EXPECT_EQ(bed.take(), (List{ledger(a, kClosed, "user"), Kill{a, KillReason::kClosedByUser, true},
                              ledger(a, kKill, "closed_by_user")}));
  EXPECT_EQ(bed.suspended(a, bed.reading(a)),
            (List{ledger(a, kSuspend, "quiet"), Resume{a, WakeCause::kControl, {}, 0s},
                  ledger(a, kWake, "control")}));
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);
}

TEST_F(InFlight, C20ATaskThatBeganMeanwhileIsNotDelayedWithAWakeForTheNetwork) {
  bed.doze.on_network_changed(bed.now, bed.out);
  ASSERT_TRUE(bed.doze.begin_task(bed.now, a, bed.out));
  bed.take();
  EXPECT_EQ(bed.suspended(a, bed.reading(a)),
            (List{ledger(a, kSuspend, "quiet"), Resume{a, WakeCause::kTask, {}, 10s},
                  ledger(a, kWake, "task")}));
}

TEST_F(InFlight, AFailedSuspensionIsTriedAgainAfterADoublingDelay) {
  const base::Error error{base::ErrorCode::kTimeout, "cgroup.freeze"};
  for (const Duration delay : {1s, 2s, 4s}) {
    bed.doze.on_suspend_failed(bed.now, a, error, bed.out);
    EXPECT_EQ(bed.take(), List{ledger(a, kSuspendFailed, "timeout")});
    EXPECT_EQ(bed.doze.next_deadline(), bed.now + delay);
    EXPECT_EQ(bed.next(), List{});
    EXPECT_EQ(bed.idle(a), List{Suspend{a}});
  }
  bed.suspended(a, bed.reading(a));
  EXPECT_EQ(bed.doze.find(a)->run.suspend_failures, 0);
}

TEST_F(InFlight, AFailedSuspensionLetsAForegroundAppBe) {
  bed.foreground(a);
  bed.doze.on_suspend_failed(bed.now, a, {base::ErrorCode::kTimeout, "cgroup.freeze"}, bed.out);
  EXPECT_EQ(bed.take(),
            (List{ledger(a, kSuspendFailed, "timeout"), TellState{a, AppState::kForeground},
                  ledger(a, kForeground, "user")}));
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);
}

// --- other ways to be woken
// -----------------------------------------------------------------------------------------------

struct Asleep : ::testing::Test {
  explicit Asleep(Profile profile = Profile::linux_default()) : bed(std::move(profile)) {
    bed.launch(a);
    tag = bed.tag(a);
    bed.sleep(a);
  }
  Bed bed;
  AppId a = bed.app;
  TagId tag;
};
struct AsleepOnIos : Asleep {
  AsleepOnIos() : Asleep(Profile::ios()) {}
};

TEST_F(Asleep, TheForegroundResumesWithoutALimit) {
  EXPECT_EQ(
      bed.foreground(a),
      (List{Unwatch{a}, Resume{a, WakeCause::kForeground, {}, 0s}, ledger(a, kWake, "foreground"),
            TellState{a, AppState::kForeground}, ledger(a, kForeground, "user")}));
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);
}

TEST_F(Asleep, C28ANotificationsActionResumes) {
  bed.doze.on_notification_action(bed.now, a, bed.out);
  EXPECT_EQ(bed.take(),
            (List{ledger(a, kNotify, "action"), Unwatch{a},
                  Resume{a, WakeCause::kNotification, {}, 10s}, ledger(a, kWake, "notification")}));
}

TEST_F(Asleep, C28ANotificationsActionLaunchesAnAppThatIsGone) {
  bed.exited(a, kExitOk);
  bed.doze.on_notification_action(bed.now, a, bed.out);
  EXPECT_EQ(bed.take(), (List{ledger(a, kNotify, "action"), Launch{a, LaunchReason::kNotification},
                              ledger(a, kLaunch, "notification")}));
}

TEST_F(Asleep, C31ANetworkChangeResumes) {
  bed.doze.on_network_changed(bed.now, bed.out);
  EXPECT_EQ(bed.take(), (List{Unwatch{a}, Resume{a, WakeCause::kNetwork, {}, 10s},
                              ledger(a, kWake, "network", 1)}));
}

TEST_F(AsleepOnIos, C31ANetworkChangeDoesNotResume) {
  bed.doze.on_network_changed(bed.now, bed.out);
  EXPECT_EQ(bed.take(), List{});
}

TEST_F(Asleep, C31ANetworkChangeGivesAnAwakeAppTheTimeToActOnIt) {
  bed.data(a, tag);
  bed.pass(9s);
  bed.take();
  bed.doze.on_network_changed(bed.now, bed.out);
  EXPECT_EQ(bed.take(), List{});
  EXPECT_EQ(bed.doze.find(a)->run.window_end, bed.now + 10s);
}

}  // namespace
}  // namespace wakeline::doze::testing
