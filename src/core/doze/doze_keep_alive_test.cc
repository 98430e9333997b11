// SPDX-License-Identifier: Apache-2.0
#include "core/doze/doze_testing.h"

namespace wakeline::doze::testing {
namespace {

using enum LedgerEvent;
using base::ErrorCode;
using base::kNever;

struct KeepAlives : ::testing::Test {
  explicit KeepAlives(Profile profile = Profile::linux_default()) : bed(std::move(profile)) {
    bed.launch(a);
    tag = bed.tag(a);
  }
  bool set(AppId id, Duration timeout) {
    const bool replaced = bed.doze.set_keep_alive(bed.now, id, timeout, bed.out).value();
    bed.take();
    return replaced;
  }
  Bed bed;
  AppId a = bed.app;
  TagId tag;
};
struct KeepAlivesClassic : KeepAlives {
  KeepAlivesClassic() : KeepAlives(Profile::ios_classic()) {}
};

TEST_F(KeepAlives, C1C15AreRefusedBelowTheMinimumAndWithoutVoip) {
  const AppId editor = bed.add("editor", false);
  bed.launch(editor);
  EXPECT_EQ(bed.doze.set_keep_alive(bed.now, a, 599s, bed.out).error().code, ErrorCode::kTooShort);
  EXPECT_EQ(bed.doze.set_keep_alive(bed.now, editor, 600s, bed.out).error().code,
            ErrorCode::kNotDeclared);
  EXPECT_EQ(bed.take(),
            (List{ledger(a, kRefuse, "too_short"), ledger(editor, kRefuse, "not_declared")}));
  EXPECT_EQ(bed.doze.find(a)->run.keep_alive, KeepAlive{});
}

TEST(KeepAliveOwed, C15AHostThatDiedGivesNoHandlerMoreTime) {
  Bed bed;
  const Instant latest = bed.now + 100s;
  bed.doze.on_adopted(bed.now, bed.app, bed.out, {.keep_alive_latest = latest});
  ASSERT_TRUE(bed.doze.set_keep_alive(bed.now, bed.app, 600s, bed.out));
  EXPECT_EQ(bed.doze.find(bed.app)->run.keep_alive.latest, latest);
  // Once: from then on the app's own timeout counts.
  ASSERT_TRUE(bed.doze.set_keep_alive(bed.now, bed.app, 600s, bed.out));
  EXPECT_EQ(bed.doze.find(bed.app)->run.keep_alive.latest, bed.now + 600s);
}

TEST_F(KeepAlives, C15C18RunTheHandlerOfASleepingAppAtItsTimeoutAndAgain) {
  EXPECT_EQ(bed.doze.set_keep_alive(bed.now, a, 600s, bed.out), false);
  Instant due = bed.now + 600s;
  EXPECT_EQ(bed.take(), (List{ledger(a, kKeepAlive, "set", 600), SetAlarm{due - 300s, due}}));
  for (int i = 1; i <= 3; ++i) {
    bed.sleep(a);
    EXPECT_EQ(bed.doze.next_deadline(), due);
    const List list = bed.next();
    EXPECT_EQ(bed.now, due);
    due += 600s;
    EXPECT_EQ(list, (List{Unwatch{a}, Resume{a, WakeCause::kKeepAlive, {}, 10s},
                          ledger(a, kWake, "keep_alive", 1), RunKeepAlive{a, 10s},
                          ledger(a, kKeepAlive, "due"), SetAlarm{due - 300s, due}}));
    bed.now += 1s;
    bed.doze.on_keep_alive_done(bed.now, a, bed.out);
    EXPECT_EQ(bed.take(), List{});
  }
}

TEST_F(KeepAlives, C16OneHandlerAnAppTheSecondReplacesTheFirst) {
  set(a, 600s);
  EXPECT_EQ(bed.doze.set_keep_alive(bed.now, a, 900s, bed.out), true);
  EXPECT_EQ(bed.take(), (List{ledger(a, kKeepAlive, "replaced", 900),
                              SetAlarm{bed.now + 450s, bed.now + 900s}}));
  EXPECT_EQ(bed.doze.set_keep_alive(bed.now, a, 0s, bed.out), true);
  EXPECT_EQ(bed.take(), (List{ledger(a, kKeepAlive, "cleared"), SetAlarm{kNever, kNever}}));
  bed.sleep(a);
  EXPECT_EQ(bed.doze.next_deadline(), kNever);
}

TEST_F(KeepAlives, C16OneAppsExitLeavesAnothersHandler) {
  const AppId chat = bed.add("chat");
  bed.launch(chat);
  set(a, 600s);
  set(chat, 700s);
  EXPECT_EQ(bed.exited(a, kExitOk),
            (List{ledger(a, kExit, "ok"), SetAlarm{bed.now + 350s, bed.now + 700s}}));
}

TEST_F(KeepAlives, C17AnOverrunIsSuspendedEvenIfBusy) {
  set(a, 600s);
  bed.sleep(a);
  bed.next();
  EXPECT_EQ(bed.pass(10s), (List{ledger(a, kKeepAliveOverrun, "suspended", 10'000), Suspend{a}}));
  EXPECT_EQ(bed.suspended(a, bed.reading(a))[0], Action(ledger(a, kSuspend, "keep_alive_overrun")));
}

TEST_F(KeepAlives, C17AHandlerThatTheMachineSleptOverHasItsTimeAfterIt) {
  set(a, 600s);
  bed.sleep(a);
  bed.next();
  EXPECT_EQ(bed.pass(13s), List{});  // three seconds late: it has three more
  EXPECT_EQ(bed.pass(2s), List{});
  EXPECT_EQ(bed.pass(1s), (List{ledger(a, kKeepAliveOverrun, "suspended", 10'000), Suspend{a}}));
}

TEST_F(KeepAlives, C17AnOverrunUnderABackgroundTaskGoesOn) {
  set(a, 600s);
  bed.sleep(a);
  bed.next();
  ASSERT_TRUE(bed.doze.begin_task(bed.now, a, bed.out));
  bed.take();
  EXPECT_EQ(bed.pass(10s), (List{ledger(a, kKeepAliveOverrun, "suspended", 10'000)}));
  EXPECT_EQ(bed.doze.state(a), AppState::kBackground);
}

TEST_F(KeepAlivesClassic, C17AnOverrunIsTerminatedInTheClassicProfile) {
  set(a, 600s);
  bed.sleep(a);
  bed.next();
  EXPECT_EQ(bed.pass(29s), List{});
  EXPECT_EQ(bed.pass(1s), (List{ledger(a, kKeepAliveOverrun, "killed", 30'000),
                                Kill{a, KillReason::kKeepAliveOverrun, false},
                                ledger(a, kKill, "keep_alive_overrun"), SetAlarm{kNever, kNever}}));
}

TEST_F(KeepAlives, C18HandlersShareAWakeThatAnotherNeedsAnyway) {
  const AppId chat = bed.add("chat");
  const AppId phone = bed.add("phone");
  const Instant due = bed.now + 600s;
  set(a, 600s);
  bed.sleep(a);
  bed.launch(chat);
  bed.tag(chat);
  set(chat, 780s);  // may run from 390 s on; at 1,200 s it would be too late
  const Instant chat_due = bed.now + 780s;
  bed.sleep(chat);
  bed.launch(phone);
  bed.tag(phone);
  set(phone, 1'250s);  // may run from 625 s on; 1,200 s will do
  bed.sleep(phone);

  const List list = bed.next();
  EXPECT_EQ(bed.now, due);
  const std::int64_t early_ms = (chat_due - due) / 1ms;
  EXPECT_EQ(
      list,
      (List{Unwatch{a}, Resume{a, WakeCause::kKeepAlive, {}, 10s},
            ledger(a, kWake, "keep_alive", 1), RunKeepAlive{a, 10s}, ledger(a, kKeepAlive, "due"),
            Unwatch{chat}, Resume{chat, WakeCause::kKeepAlive, {}, 10s},
            ledger(chat, kWake, "keep_alive", 1), RunKeepAlive{chat, 10s},
            ledger(chat, kKeepAlive, "merged", early_ms), SetAlarm{due + 300s, due + 600s}}));
}

TEST_F(KeepAlives, C18AHandlerWhoseWindowIsNotOpenIsNotRunEarly) {
  const AppId chat = bed.add("chat");
  set(a, 600s);
  bed.sleep(a);
  bed.pass(400s);
  bed.launch(chat);
  bed.tag(chat);
  set(chat, 700s);  // may run 350 s from now; the other's wake comes before
  const Instant chat_due = bed.now + 700s;
  bed.sleep(chat);
  const List list = bed.next();
  EXPECT_EQ(list.size(), 6U);  // the first app's alone
  EXPECT_EQ(bed.doze.find(chat)->run.keep_alive.latest, chat_due);
}

TEST_F(KeepAlives, C18WhatIsDueSoonSharesTheWakeOfAnotherApp) {
  const AppId chat = bed.add("chat");
  set(a, 600s);
  const Instant due = bed.now + 600s;
  bed.sleep(a);
  bed.launch(chat);
  const TagId line = bed.tag(chat);
  bed.sleep(chat);
  bed.now = due - 61s;
  EXPECT_EQ(bed.data(chat, line).size(), 3U);  // Unwatch, Resume, Ledger: nothing shares it
  bed.sleep(chat);
  bed.now = due - 59s;
  const List list = bed.data(chat, line);
  EXPECT_EQ(
      List({list.begin() + 3, list.end()}),
      (List{Unwatch{a}, Resume{a, WakeCause::kKeepAlive, {}, 10s},
            ledger(a, kWake, "keep_alive", 1), RunKeepAlive{a, 10s},
            ledger(a, kKeepAlive, "merged", 59'000), SetAlarm{bed.now + 300s, bed.now + 600s}}));
}

TEST_F(KeepAlives, C18AHandlerSharesAnyOtherWakeOfItsApp) {
  set(a, 600s);
  const Instant start = bed.now;
  bed.sleep(a);
  bed.now = start + 500s;
  EXPECT_EQ(bed.data(a, tag), (List{Unwatch{a}, Resume{a, WakeCause::kSocketData, tag, 10s},
                                    ledger(a, kWake, "socket_data", 1), RunKeepAlive{a, 10s},
                                    ledger(a, kKeepAlive, "shared", 100'000),
                                    SetAlarm{start + 800s, start + 1'100s}}));
}

TEST_F(KeepAlives, C18TheMachinesOwnWakeRunsWhatMayRun) {
  set(a, 600s);
  const Instant start = bed.now;
  bed.sleep(a);
  bed.now = start + 299s;
  bed.doze.on_system_resumed(bed.now, bed.out);
  EXPECT_EQ(bed.take(), List{});
  bed.now = start + 300s;
  bed.doze.on_system_resumed(bed.now, bed.out);
  EXPECT_EQ(bed.take()[1], Action(Resume{a, WakeCause::kKeepAlive, {}, 10s}));
}

TEST_F(KeepAlives, C15RunsInAnAwakeAppWithoutAResume) {
  set(a, 600s);
  bed.foreground(a);
  const Instant due = bed.now + 600s;
  EXPECT_EQ(bed.pass(600s), (List{RunKeepAlive{a, 10s}, ledger(a, kKeepAlive, "due"),
                                  SetAlarm{due + 300s, due + 600s}}));
}

TEST_F(KeepAlives, C15RunsRightAfterAFreezeThatWasUnderWay) {
  set(a, 600s);
  EXPECT_EQ(bed.idle(a), List{Suspend{a}});
  EXPECT_EQ(bed.pass(600s), (List{SetAlarm{kNever, kNever}}));
  EXPECT_EQ(bed.doze.next_deadline(), kNever);
  EXPECT_EQ(bed.suspended(a, bed.reading(a)),
            (List{ledger(a, kSuspend, "quiet"), Resume{a, WakeCause::kKeepAlive, {}, 10s},
                  ledger(a, kWake, "keep_alive", 1), RunKeepAlive{a, 10s},
                  ledger(a, kKeepAlive, "due"), SetAlarm{bed.now + 300s, bed.now + 600s}}));
}

TEST_F(KeepAlives, C15RunsWhenAFreezeThatWasUnderWayFails) {
  set(a, 600s);
  EXPECT_EQ(bed.idle(a), List{Suspend{a}});
  bed.pass(600s);
  bed.doze.on_suspend_failed(bed.now, a, {ErrorCode::kTimeout, "cgroup.freeze"}, bed.out);
  EXPECT_EQ(bed.take(),
            (List{ledger(a, kSuspendFailed, "timeout"), RunKeepAlive{a, 10s},
                  ledger(a, kKeepAlive, "due"), SetAlarm{bed.now + 300s, bed.now + 600s}}));
}

TEST_F(KeepAlives, C13AKeepAliveWakeIsNeverDelayed) {
  set(a, 1'200s);
  const Instant start = bed.now;
  bed.sleep(a);
  while (bed.now - start < 300s) {
    bed.data(a, tag);
    if (bed.doze.state(a) == AppState::kSuspended) bed.next();
    bed.sleep(a);
  }
  bed.data(a, tag);
  ASSERT_TRUE(bed.doze.find(a)->run.delayed);
  bed.now = start + 600s;
  bed.doze.on_system_resumed(bed.now, bed.out);
  EXPECT_EQ(bed.take()[0], Action(Resume{a, WakeCause::kKeepAlive, {}, 10s}));
}

}  // namespace
}  // namespace wakeline::doze::testing
