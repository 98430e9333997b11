// SPDX-License-Identifier: Apache-2.0
#include "core/doze/doze_testing.h"

namespace wakeline::doze::testing {
namespace {

using base::ErrorCode;
using base::kNever;
using enum LedgerEvent;

struct WakeRequestsOf : ::testing::Test {
  explicit WakeRequestsOf(Profile profile = Profile::linux_default()) : bed(std::move(profile)) {
    bed.launch(a);
    tag = bed.tag(a);
  }
  WakeId ask(AppId app, Duration earliest, Duration latest) {
    const auto wake = bed.doze.request_wake(bed.now, app, earliest, latest, bed.out);
    EXPECT_TRUE(wake);
    bed.take();
    return wake.value_or(WakeId{});
  }
  ErrorCode refused(Duration earliest, Duration latest) {
    const auto wake = bed.doze.request_wake(bed.now, a, earliest, latest, bed.out);
    return wake ? ErrorCode::kOk : wake.error().code;
  }
  Bed bed;
  AppId a = bed.app;
  TagId tag;
};
struct WakeRequestsOnIos : WakeRequestsOf {
  WakeRequestsOnIos() : WakeRequestsOf(Profile::ios()) {}
};
struct WakeRequestsOnClassic : WakeRequestsOf {
  WakeRequestsOnClassic() : WakeRequestsOf(Profile::ios_classic()) {}
};

std::int64_t value(WakeId wake) { return static_cast<std::int64_t>(wake.value); }

TEST_F(WakeRequestsOf, C40WakeASleepingAppInTheirWindowOnce) {
  const auto wake = bed.doze.request_wake(bed.now, a, 60s, 120s, bed.out);
  ASSERT_TRUE(wake);
  EXPECT_EQ(bed.take(), (List{ledger(a, kWakeRequest, "asked", value(*wake)),
                              SetAlarm{bed.now + 60s, bed.now + 120s}}));
  const Instant due = bed.now + 120s;
  bed.sleep(a);
  EXPECT_EQ(bed.next(), (List{Unwatch{a}, Resume{a, WakeCause::kWakeRequest, {}, 10s},
                              ledger(a, kWake, "wake_request", 1), RunWake{a, *wake},
                              ledger(a, kWakeRequest, "due"), SetAlarm{kNever, kNever}}));
  EXPECT_EQ(bed.now, due);
  bed.sleep(a);
  EXPECT_EQ(bed.doze.next_deadline(), kNever);
}

TEST_F(WakeRequestsOnIos, C40AreRefusedByTheProfile) {
  EXPECT_EQ(refused(60s, 120s), ErrorCode::kNotAllowed);
  EXPECT_EQ(bed.take(), List{ledger(a, kRefuse, "not_allowed")});
}

TEST_F(WakeRequestsOnClassic, C40AreRefusedByTheProfile) {
  EXPECT_EQ(refused(60s, 120s), ErrorCode::kNotAllowed);
}

TEST_F(WakeRequestsOf, C40EachRefusalHasItsOwnError) {
  EXPECT_EQ(refused(61s, 60s), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused(-1s, 60s), ErrorCode::kInvalidArgument);
  const AppId editor = bed.add("editor", false);
  bed.launch(editor);
  EXPECT_EQ(bed.doze.request_wake(bed.now, editor, 1s, 2s, bed.out).error().code,
            ErrorCode::kNotDeclared);
  for (std::size_t i = 0; i < kWakesMax; ++i) ask(a, 60s, 120s);
  EXPECT_EQ(refused(60s, 120s), ErrorCode::kTooLarge);
}

TEST_F(WakeRequestsOf, C40ADayHasItsAllowance) {
  bed.sleep(a);
  const Instant start = bed.now;
  for (int i = 0; i < 96; ++i) {
    ask(a, 10s, 10s);
    bed.next();
    bed.sleep(a);
  }
  EXPECT_EQ(refused(10s, 10s), ErrorCode::kOverBudget);
  bed.now = start + 24h;
  EXPECT_EQ(refused(10s, 10s), ErrorCode::kOk);
}

TEST_F(WakeRequestsOf, C40WhatSharesAWakeOrIsCancelledCostsNothing) {
  ask(a, 10s, 100s);
  bed.sleep(a);
  bed.pass(50s);
  const List list = bed.data(a, tag);
  EXPECT_EQ(list[4], Action(ledger(a, kWakeRequest, "shared", (Instant{1'100s} - bed.now) / 1ms)));
  EXPECT_EQ(bed.doze.find(a)->allowance.taken(), 0);
  const WakeId wake = ask(a, 10s, 100s);
  EXPECT_EQ(bed.doze.find(a)->allowance.taken(), 1);
  EXPECT_TRUE(bed.doze.cancel_wake(bed.now, a, wake, bed.out));
  EXPECT_EQ(bed.doze.find(a)->allowance.taken(), 0);
  EXPECT_EQ(bed.doze.cancel_wake(bed.now, a, wake, bed.out).error().code, ErrorCode::kNotFound);
}

TEST_F(WakeRequestsOf, C40AreMergedWithTheAlarmsOfOthers) {
  bed.sleep(a);
  const AppId chat = bed.add("chat");
  bed.launch(chat);
  bed.tag(chat);
  ASSERT_TRUE(bed.doze.set_keep_alive(bed.now, chat, 600s, bed.out));
  const Instant due = bed.now + 600s;
  const WakeId wake = ask(a, 500s, 3'600s);
  bed.sleep(chat);
  // The next keep-alive comes 600 s later: the request can wait for that.
  EXPECT_EQ(bed.next().size(), 6U);
  EXPECT_EQ(bed.now, due);
  bed.doze.on_keep_alive_done(bed.now, chat, bed.out);
  bed.take();
  bed.sleep(chat);
  const WakeId soon = ask(a, 590s, 700s);
  const List list = bed.next();
  EXPECT_EQ(bed.now, due + 600s);
  EXPECT_THAT(list, ::testing::Contains(Action(RunWake{a, soon})));
  EXPECT_THAT(list, ::testing::Contains(Action(RunWake{a, wake})));
  EXPECT_THAT(list, ::testing::Contains(Action(RunKeepAlive{chat, 10s})));
}

TEST_F(WakeRequestsOf, C40EndWithTheRun) {
  ask(a, 60s, 120s);
  bed.exited(a, kExitOk);
  EXPECT_EQ(bed.doze.next_deadline(), kNever);
}

TEST_F(WakeRequestsOf, C18TheMachineWaitsForAnAppThatItWokeAsAsked) {
  ask(a, 10s, 1h);
  bed.sleep(a);
  bed.pass(60s);
  bed.doze.on_prepare_for_sleep(bed.now, bed.out);
  EXPECT_THAT(bed.take(), ::testing::Not(::testing::Contains(Action(SleepReady{}))));
  EXPECT_EQ(bed.idle(a), List{Suspend{a}});
  EXPECT_THAT(bed.suspended(a, bed.reading(a)), ::testing::Contains(Action(SleepReady{})));
}

}  // namespace
}  // namespace wakeline::doze::testing
