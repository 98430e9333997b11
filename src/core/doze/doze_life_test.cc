// SPDX-License-Identifier: Apache-2.0
#include "core/doze/doze_testing.h"

namespace wakeline::doze::testing {
namespace {

using enum LedgerEvent;

TEST(Life, C22LaunchesEveryVoipAppAtBootAndNoOther) {
  Bed bed;
  const AppId chat = bed.add("chat");
  const AppId editor = bed.add("editor", false);
  bed.doze.on_boot(bed.now, bed.out);
  EXPECT_EQ(bed.take(),
            (List{Launch{bed.app, LaunchReason::kBoot}, ledger(bed.app, kLaunch, "boot"),
                  Launch{chat, LaunchReason::kBoot}, ledger(chat, kLaunch, "boot")}));
  EXPECT_EQ(bed.doze.state(bed.app), AppState::kStarting);
  EXPECT_EQ(bed.doze.state(editor), AppState::kStopped);

  bed.doze.on_launched(bed.now, bed.app, bed.out);
  EXPECT_EQ(bed.doze.state(bed.app), AppState::kBackground);
  bed.doze.on_boot(bed.now, bed.out);
  EXPECT_EQ(bed.take(), List{});
}

TEST(Boot, C22LaunchesManyAppsSomeAtATimeAndServesTheFirstMeanwhile) {
  Bed bed;
  std::vector<AppId> apps = {bed.app};
  for (int i = 1; i < 20; ++i) apps.push_back(bed.add("app" + std::to_string(i)));
  bed.doze.on_boot(bed.now, bed.out);
  EXPECT_EQ(bed.take().size(), 16U);  // Launch and Ledger of eight
  bed.doze.on_launched(bed.now, apps[0], bed.out);
  bed.doze.on_close_wanted(bed.now, apps[8], bed.out);  // it waits still
  bed.doze.remove_app(bed.now, apps[9], bed.out);
  bed.launch(apps[10]);
  bed.take();
  EXPECT_EQ(bed.next().size(), 16U);
  EXPECT_EQ(bed.next().size(), 2U);
  for (const AppId app : {apps[11], apps[19]}) EXPECT_EQ(bed.doze.state(app), AppState::kStarting);
  EXPECT_EQ(bed.doze.state(apps[8]), AppState::kStopped);
  EXPECT_EQ(bed.doze.state(apps[10]), AppState::kBackground);
}

TEST(Life, C23RelaunchesAnAppThatFailedAtOnceThenWithDoublingDelay) {
  Bed bed;
  bed.launch(bed.app);
  const AppId a = bed.app;
  EXPECT_EQ(bed.exited(a, kExitFailed),
            (List{ledger(a, kExit, "status", 3), Launch{a, LaunchReason::kCrash},
                  ledger(a, kLaunch, "crash")}));
  for (const std::int64_t seconds : {1, 2, 4, 8, 16, 32, 60, 60}) {
    bed.doze.on_launched(bed.now, a, bed.out);
    EXPECT_EQ(bed.exited(a, kExitCrashed),
              (List{ledger(a, kExit, "signal", 11),
                    ledger(a, kRelaunchDelayed, "quick_death", seconds * 1'000)}));
    EXPECT_EQ(bed.doze.state(a), AppState::kWaiting);
    EXPECT_EQ(bed.doze.next_deadline(), bed.now + std::chrono::seconds(seconds));
    EXPECT_EQ(bed.next(), (List{Launch{a, LaunchReason::kCrash}, ledger(a, kLaunch, "crash")}));
  }
}

TEST(Life, C23BacksOffAnewAfterALongLife) {
  Bed bed;
  const AppId a = bed.app;
  bed.launch(a);
  bed.exited(a, kExitCrashed);
  for (int i = 0; i < 2; ++i) {
    bed.doze.on_launched(bed.now, a, bed.out);
    bed.now += 11s;
    bed.take();
    EXPECT_EQ(bed.exited(a, kExitCrashed),
              (List{ledger(a, kExit, "signal", 11), Launch{a, LaunchReason::kCrash},
                    ledger(a, kLaunch, "crash")}));
  }
}

TEST(Life, C23LeavesAnAppAloneThatEndedWithStatusZero) {
  Bed bed;
  bed.launch(bed.app);
  EXPECT_EQ(bed.exited(bed.app, kExitOk), (List{ledger(bed.app, kExit, "ok")}));
  EXPECT_EQ(bed.doze.state(bed.app), AppState::kStopped);
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);
}

TEST(Life, C23RelaunchesWhereNobodyKnowsHowItEnded) {
  Bed bed;
  bed.doze.on_adopted(bed.now, bed.app, bed.out);
  EXPECT_EQ(bed.take(), (List{ledger(bed.app, kLaunch, "adopted")}));
  EXPECT_EQ(bed.doze.state(bed.app), AppState::kBackground);
  EXPECT_EQ(bed.exited(bed.app, ExitStatus{.known = false}),
            (List{ledger(bed.app, kExit, "unknown"), Launch{bed.app, LaunchReason::kCrash},
                  ledger(bed.app, kLaunch, "crash")}));
}

TEST(Life, AnAdoptedAppHasTimeToFindTheHostHoweverShortItsWindows) {
  Profile profile = Profile::linux_default();
  profile.wake_window = 1s;
  Bed bed(profile);
  bed.doze.on_adopted(bed.now, bed.app, bed.out);
  bed.take();
  const Instant adopted = bed.now;
  EXPECT_EQ(bed.idle(bed.app), List{Suspend{bed.app}});
  EXPECT_GE(bed.now - adopted, kAdoptionWindow);
}

TEST(Life, AnAppInTheForegroundIsAdoptedThere) {
  Bed bed;
  bed.doze.on_adopted(bed.now, bed.app, bed.out, {.foreground = true});
  EXPECT_EQ(bed.take(), (List{ledger(bed.app, kLaunch, "adopted")}));
  EXPECT_EQ(bed.doze.state(bed.app), AppState::kForeground);
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);  // nothing suspends it
  bed.doze.on_background(bed.now, bed.app, bed.out);
  EXPECT_EQ(bed.doze.state(bed.app), AppState::kBackground);
}

TEST(Life, C22AHandoverLaunchesNoneThatHadEnded) {
  Bed bed;
  const AppId ended = bed.add("ended", true);
  bed.doze.on_boot(bed.now, bed.out, {ended});
  EXPECT_EQ(bed.take(),
            (List{Launch{bed.app, LaunchReason::kBoot}, ledger(bed.app, kLaunch, "boot")}));
  EXPECT_EQ(bed.doze.state(ended), AppState::kStopped);
}

TEST(Life, C23LeavesAnAppThatIsNotVoipAlone) {
  Bed bed;
  const AppId editor = bed.add("editor", false);
  bed.launch(editor);
  EXPECT_EQ(bed.exited(editor, kExitCrashed), (List{ledger(editor, kExit, "signal", 11)}));
}

TEST(Life, C23EndsASleepingAppPolitelyWhenTheUserClosesIt) {
  Bed bed;
  const AppId a = bed.app;
  bed.launch(a);
  bed.tag(a);
  bed.sleep(a);
  bed.doze.on_close_wanted(bed.now, a, bed.out);
  EXPECT_EQ(bed.take(),
            (List{ledger(a, kClosed, "user"), Unwatch{a}, Resume{a, WakeCause::kControl, {}, 0s},
                  ledger(a, kWake, "control"), Kill{a, KillReason::kClosedByUser, true},
                  ledger(a, kKill, "closed_by_user")}));
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);
  EXPECT_EQ(bed.exited(a, {.signaled = true, .code = 15}), (List{ledger(a, kExit, "signal", 15)}));
  EXPECT_EQ(bed.doze.state(a), AppState::kStopped);
}

TEST(Life, C23ClosesAnAppThatWaitsForItsRelaunch) {
  Bed bed;
  bed.launch(bed.app);
  bed.exited(bed.app, kExitCrashed);
  bed.doze.on_launched(bed.now, bed.app, bed.out);
  bed.exited(bed.app, kExitCrashed);
  bed.doze.on_close_wanted(bed.now, bed.app, bed.out);
  EXPECT_EQ(bed.take(), (List{ledger(bed.app, kClosed, "user")}));
  EXPECT_EQ(bed.doze.state(bed.app), AppState::kStopped);
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);
}

TEST(Life, ClosesAnAppThatIsJustBeingLaunchedAsSoonAsItRuns) {
  Bed bed;
  bed.doze.on_boot(bed.now, bed.out);
  bed.doze.on_close_wanted(bed.now, bed.app, bed.out);
  bed.take();
  bed.doze.on_launched(bed.now, bed.app, bed.out);
  EXPECT_EQ(bed.take(), (List{Kill{bed.app, KillReason::kClosedByUser, true},
                              ledger(bed.app, kKill, "closed_by_user")}));
}

TEST(Life, StartsAnewWhatTheUserOpensWhileItEnds) {
  Bed bed;
  const AppId a = bed.app;
  bed.launch(a);
  bed.doze.on_close_wanted(bed.now, a, bed.out);
  bed.foreground(a);
  EXPECT_EQ(bed.exited(a, kExitOk), (List{ledger(a, kExit, "ok"), Launch{a, LaunchReason::kUser},
                                          ledger(a, kLaunch, "user")}));
  bed.doze.on_launched(bed.now, a, bed.out);
  EXPECT_EQ(bed.doze.state(a), AppState::kForeground);
}

TEST(Life, DoesNotRelaunchAfterABadEndWhatAsksNotToBe) {
  Bed bed;
  const AppId a = bed.doze.add_app({.name = "once", .voip = true, .relaunch = false}).value();
  bed.launch(a);
  EXPECT_EQ(bed.exited(a, kExitCrashed), (List{ledger(a, kExit, "signal", 11)}));
  bed.doze.on_launch_wanted(bed.now, a, LaunchReason::kUser, bed.out);
  bed.take();
  bed.doze.on_launch_failed(bed.now, a, bed.out);
  EXPECT_EQ(bed.take(), (List{ledger(a, kExit, "launch_failed")}));
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);
}

TEST(Life, C2EndsAnAppThatExitsOnSuspendInsteadOfSuspendingIt) {
  Bed bed;
  const AppId a =
      bed.doze.add_app({.name = "exits", .voip = true, .exits_on_suspend = true}).value();
  bed.launch(a);
  bed.tag(a);
  EXPECT_EQ(bed.idle(a), (List{Kill{a, KillReason::kExitsOnSuspend, true},
                               ledger(a, kKill, "exits_on_suspend")}));
  // It ends by a signal, and by its own wish: that is no crash.
  EXPECT_EQ(bed.exited(a, {.signaled = true, .code = 15}), (List{ledger(a, kExit, "signal", 15)}));
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);
}

TEST(Life, ResumesASleepingAppThatTheUserWantsToReach) {
  Bed bed;
  const AppId a = bed.app;
  bed.launch(a);
  bed.tag(a);
  bed.sleep(a);
  bed.doze.on_attention_wanted(bed.now, a, bed.out);
  EXPECT_EQ(bed.take(), (List{Unwatch{a}, Resume{a, WakeCause::kControl, {}, 0s},
                              ledger(a, kWake, "control")}));
  bed.sleep(a);
}

TEST(Life, C1WhatTheUserTakesBackIsGoneFromARunningApp) {
  Bed bed;
  const AppId a = bed.app;
  bed.launch(a);
  const TagId tag = bed.tag(a);
  ASSERT_TRUE(bed.doze.set_keep_alive(bed.now, a, 600s, bed.out));
  bed.take();
  bed.sleep(a);
  bed.doze.set_config(bed.now, a, {.voip = false}, bed.out);
  bed.take();
  EXPECT_FALSE(bed.doze.has_tag(a, tag));
  EXPECT_EQ(bed.doze.find(a)->run.keep_alive, KeepAlive{});
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);
  EXPECT_EQ(bed.doze.tag(bed.now, a, bed.out).error().code, base::ErrorCode::kNotDeclared);
  EXPECT_EQ(bed.doze.find(a)->config.name, "doorbell");
}

TEST(Life, C1AnAppThatIsGivenTheModeBackRunsToTagItsConnection) {
  Bed bed;
  const AppId a = bed.app;
  bed.launch(a);
  bed.tag(a);
  bed.sleep(a);
  bed.doze.set_config(bed.now, a, {.voip = false}, bed.out);
  bed.take();
  bed.doze.set_config(bed.now, a, {.voip = true}, bed.out);
  EXPECT_EQ(bed.take(),
            (List{Resume{a, WakeCause::kControl, {}, 0s}, ledger(a, kWake, "control")}));
  EXPECT_GE(bed.doze.find(a)->run.window_end - bed.now, kAdoptionWindow);
  EXPECT_TRUE(bed.doze.tag(bed.now, a, bed.out));
  bed.take();
  // What it has already is not given again.
  bed.sleep(a);
  bed.doze.set_config(bed.now, a, {.voip = true, .relaunch = false}, bed.out);
  EXPECT_EQ(bed.take(), List{});
  EXPECT_EQ(bed.doze.state(a), AppState::kSuspended);
}

TEST(Life, C24NothingOfARunOutlivesIt) {
  Bed bed;
  const AppId a = bed.app;
  bed.launch(a);
  const TagId tag = bed.tag(a);
  ASSERT_TRUE(bed.doze.set_keep_alive(bed.now, a, 600s, bed.out));
  bed.take();
  bed.sleep(a);
  ASSERT_TRUE(bed.doze.has_tag(a, tag));
  EXPECT_EQ(bed.exited(a, kExitOk),
            (List{Unwatch{a}, ledger(a, kExit, "ok"), SetAlarm{base::kNever, base::kNever}}));
  EXPECT_FALSE(bed.doze.has_tag(a, tag));
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);
  EXPECT_EQ(bed.data(a, tag), List{});  // C5: late, of a connection that is gone
  EXPECT_EQ(bed.doze.find(a)->run.keep_alive, KeepAlive{});
}

TEST(Life, AFailedLaunchIsTriedAgainLater) {
  Bed bed;
  bed.doze.on_boot(bed.now, bed.out);
  bed.take();
  bed.doze.on_launch_failed(bed.now, bed.app, bed.out);
  EXPECT_EQ(bed.take(), (List{ledger(bed.app, kExit, "launch_failed"),
                              ledger(bed.app, kRelaunchDelayed, "quick_death", 1'000)}));
  EXPECT_EQ(bed.next(),
            (List{Launch{bed.app, LaunchReason::kCrash}, ledger(bed.app, kLaunch, "crash")}));
}

TEST(Life, ALaunchByTheUserIsInTheForeground) {
  Bed bed;
  EXPECT_EQ(bed.foreground(bed.app),
            (List{Launch{bed.app, LaunchReason::kUser}, ledger(bed.app, kLaunch, "user")}));
  bed.doze.on_launched(bed.now, bed.app, bed.out);
  EXPECT_EQ(bed.take(), List{});
  EXPECT_EQ(bed.doze.state(bed.app), AppState::kForeground);
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);  // never suspended, so never sampled
}

TEST(Life, AStoppingHostResumesAllAndStartsNothing) {
  Bed bed;
  const AppId chat = bed.add("chat");
  bed.launch(bed.app);
  bed.tag(bed.app);
  bed.sleep(bed.app);
  bed.launch(chat);
  bed.doze.on_host_stopping(bed.now, bed.out);
  EXPECT_EQ(bed.take(), (List{Unwatch{bed.app}, Resume{bed.app, WakeCause::kHostStopping, {}, 0s},
                              ledger(bed.app, kWake, "host_stopping")}));
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);
  EXPECT_EQ(bed.exited(chat, kExitCrashed), (List{ledger(chat, kExit, "signal", 11)}));
  EXPECT_EQ(bed.foreground(chat), List{});
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);
}

TEST(Life, AStoppingHostResumesWhatIsBeingSuspended) {
  Bed bed;
  bed.launch(bed.app);
  bed.tag(bed.app);
  EXPECT_EQ(bed.idle(bed.app), List{Suspend{bed.app}});
  bed.doze.on_host_stopping(bed.now, bed.out);
  EXPECT_EQ(bed.take(), List{});
  EXPECT_EQ(
      bed.suspended(bed.app, bed.reading(bed.app)),
      (List{ledger(bed.app, kSuspend, "quiet"), Resume{bed.app, WakeCause::kHostStopping, {}, 0s},
            ledger(bed.app, kWake, "host_stopping")}));
}

TEST(Life, KnowsEachNameOnce) {
  Bed bed;
  EXPECT_EQ(bed.doze.add_app({.name = "doorbell"}).error().code, base::ErrorCode::kAlreadyExists);
}

TEST(Life, RemovingAnAppEndsIt) {
  Bed bed;
  bed.launch(bed.app);
  bed.tag(bed.app);
  bed.sleep(bed.app);
  bed.doze.remove_app(bed.now, bed.app, bed.out);
  EXPECT_EQ(bed.take(), (List{Unwatch{bed.app}, Kill{bed.app, KillReason::kRemoved, false},
                              ledger(bed.app, kKill, "removed")}));
  EXPECT_EQ(bed.doze.find(bed.app), nullptr);
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);
}

TEST(Life, StaysSmall) {
  static_assert(sizeof(App) <= 640);  // issue: at most 4 KiB of host memory an app
  SUCCEED();
}

}  // namespace
}  // namespace wakeline::doze::testing
