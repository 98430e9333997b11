// SPDX-License-Identifier: Apache-2.0
#include "core/doze/doze_testing.h"

namespace wakeline::doze::testing {
namespace {

using enum LedgerEvent;
using base::ErrorCode;

TEST(Tagging, C1NeedsTheDeclarationOfVoip) {
  Bed bed;
  const AppId editor = bed.add("editor", false);
  bed.launch(editor);
  EXPECT_EQ(bed.doze.tag(bed.now, editor, bed.out).error().code, ErrorCode::kNotDeclared);
  EXPECT_EQ(bed.take(), List{ledger(editor, kRefuse, "not_declared")});
}

TEST(Tagging, C4ARefusalOfTheDriverIsInTheLedger) {
  Bed bed;
  bed.doze.on_tag_refused(bed.now, bed.app, ErrorCode::kListening, bed.out);
  EXPECT_EQ(bed.take(), List{ledger(bed.app, kRefuse, "listening")});
}

TEST(Tagging, C5C6AnswersAndWarnsOfASecondSocket) {
  Bed bed;
  const AppId a = bed.app;
  EXPECT_EQ(bed.doze.tag(bed.now, a, bed.out).error().code, ErrorCode::kNotFound);  // not running
  bed.launch(a);
  const TagId first = bed.doze.tag(bed.now, a, bed.out).value();
  const TagId second = bed.doze.tag(bed.now, a, bed.out).value();
  EXPECT_EQ(bed.take(), (List{ledger(a, kTag, "tagged", std::int64_t(first.value)),
                              ledger(a, kTag, "more_than_one", std::int64_t(second.value))}));
  EXPECT_TRUE(bed.doze.has_tag(a, first));
  EXPECT_TRUE(bed.doze.untag(bed.now, a, first, bed.out));
  EXPECT_EQ(bed.take(), (List{ledger(a, kUntag, "untagged", std::int64_t(first.value))}));
  EXPECT_FALSE(bed.doze.has_tag(a, first));
  EXPECT_EQ(bed.doze.untag(bed.now, a, first, bed.out).error().code, ErrorCode::kNotFound);
  bed.doze.on_tag_gone(bed.now, a, second, bed.out);
  EXPECT_EQ(bed.take(), (List{ledger(a, kUntag, "gone", std::int64_t(second.value))}));
}

TEST(Tagging, BoundsTheTagsOfAnApp) {
  Bed bed;
  bed.launch(bed.app);
  for (std::size_t i = 0; i < kTagsMax; ++i) bed.tag(bed.app);
  EXPECT_EQ(bed.doze.tag(bed.now, bed.app, bed.out).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(bed.take(), List{ledger(bed.app, kRefuse, "too_large")});
}

struct Sockets : ::testing::Test {
  explicit Sockets(Profile profile = Profile::linux_default()) : bed(std::move(profile)) {
    bed.launch(a);
    tag = bed.tag(a);
  }
  Bed bed;
  AppId a = bed.app;
  TagId tag;
};
struct SocketsClassic : Sockets {
  SocketsClassic() : Sockets(Profile::ios_classic()) {}
};

TEST_F(Sockets, C11DataThatCameBetweenTheLastSampleAndTheFreezeWakesAtOnce) {
  EXPECT_EQ(bed.idle(a), List{Suspend{a}});
  bed.bytes += 5;  // read by the app already: nothing is unread, and still it was not acted on
  EXPECT_EQ(bed.suspended(a, bed.reading(a)),
            (List{ledger(a, kSuspend, "quiet"), Resume{a, WakeCause::kSocketData, tag, 10s},
                  ledger(a, kWake, "socket_data", 1)}));
}

TEST_F(Sockets, C11ARequestThatCameBetweenTheLastSampleAndTheFreezeTakesTheSuspensionBack) {
  EXPECT_EQ(bed.idle(a), List{Suspend{a}});
  const Instant end = bed.doze.find(a)->run.window_end;
  Reading asked = bed.reading(a);
  asked.busy = true;
  EXPECT_EQ(bed.suspended(a, asked), (List{Resume{a, WakeCause::kNone, {}, end - bed.now},
                                           ledger(a, kSuspendFailed, "busy")}));
  EXPECT_EQ(bed.doze.state(a), AppState::kBackground);
  // It is no wake: the window ends when it would have, and what comes meanwhile is data of it.
  const Instant back = bed.now;
  EXPECT_EQ(bed.idle(a), List{Suspend{a}});
  EXPECT_EQ(bed.now - back, 1s);
  EXPECT_EQ(bed.suspended(a, asked).front(),
            Action(Resume{a, WakeCause::kNone, {}, end - bed.now}));
  while (bed.now < end) {
    const List list = bed.next();
    if (list == List{Suspend{a}}) break;
    ASSERT_EQ(list, List{Sample{a}});
    Reading reading = bed.reading(a);
    reading.busy = true;  // it asks on and on
    bed.doze.on_sample(bed.now, a, reading, bed.out);
    EXPECT_EQ(bed.take(), List{});
  }
  EXPECT_EQ(bed.now, end);
  EXPECT_EQ(bed.suspended(a, asked),
            (List{ledger(a, kSuspend, "window_over"), Watch{a, tag, WatchMode::kLevel, 0}}));
}

TEST_F(Sockets, C11UnreadDataGivesOneMoreWakeAndThenOnlyNewDataWakes) {
  bed.sleep(a);
  bed.data(a, tag);
  EXPECT_EQ(bed.idle(a), List{Suspend{a}});
  EXPECT_EQ(bed.suspended(a, bed.reading(a, 10)),
            (List{ledger(a, kSuspend, "quiet"), Resume{a, WakeCause::kSocketData, tag, 10s},
                  ledger(a, kWake, "socket_data", 2)}));
  EXPECT_EQ(bed.idle(a), List{Suspend{a}});
  EXPECT_EQ(bed.suspended(a, bed.reading(a, 10)),
            (List{ledger(a, kSuspend, "quiet"), Watch{a, tag, WatchMode::kEdge, bed.bytes}}));
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);  // no hot loop

  EXPECT_EQ(bed.data(a, tag).size(), 3U);  // new data wakes
  EXPECT_EQ(bed.idle(a), List{Suspend{a}});
  EXPECT_EQ(bed.suspended(a, bed.reading(a, 20))[1],
            Action(Resume{a, WakeCause::kSocketData, tag, 10s}));  // and gives one more
}

TEST_F(Sockets, C11OneMoreWakeIsForAllSocketsOfTheApp) {
  const TagId second = bed.tag(a);
  EXPECT_EQ(bed.idle(a), List{Suspend{a}});
  EXPECT_EQ(bed.suspended(a, bed.reading(a, 7))[1],
            Action(Resume{a, WakeCause::kSocketData, tag, 10s}));
  EXPECT_EQ(bed.idle(a), List{Suspend{a}});
  EXPECT_EQ(bed.suspended(a, bed.reading(a, 7)),
            (List{ledger(a, kSuspend, "quiet"), Watch{a, tag, WatchMode::kEdge, 0},
                  Watch{a, second, WatchMode::kEdge, 0}}));
}

TEST_F(Sockets, C10AnEndAndAnErrorWake) {
  const TagId second = bed.tag(a);
  bed.sleep(a);
  bed.doze.on_socket_event(bed.now, a, tag, SocketEvent::kEnd, bed.out);
  EXPECT_EQ(bed.take(), (List{Unwatch{a}, Resume{a, WakeCause::kSocketEnd, tag, 10s},
                              ledger(a, kWake, "socket_end", 1)}));
  // The app leaves the dead socket as it is: nothing more can come from it.
  bed.ended = {tag};
  EXPECT_EQ(bed.idle(a), List{Suspend{a}});
  EXPECT_EQ(bed.suspended(a, bed.reading(a)),
            (List{ledger(a, kSuspend, "quiet"), Watch{a, second, WatchMode::kLevel, 0}}));
  bed.doze.on_socket_event(bed.now, a, second, SocketEvent::kError, bed.out);
  EXPECT_EQ(bed.take(), (List{Unwatch{a}, Resume{a, WakeCause::kSocketError, second, 10s},
                              ledger(a, kWake, "socket_error", 2)}));
}

TEST_F(Sockets, C10AnEndThatCameBeforeTheFreezeWakesOnce) {
  EXPECT_EQ(bed.idle(a), List{Suspend{a}});
  bed.ended = {tag};
  EXPECT_EQ(bed.suspended(a, bed.reading(a)),
            (List{ledger(a, kSuspend, "quiet"), Resume{a, WakeCause::kSocketEnd, tag, 10s},
                  ledger(a, kWake, "socket_end", 1)}));
  EXPECT_EQ(bed.idle(a), List{Suspend{a}});  // without a line: at the end of the window
  EXPECT_EQ(bed.suspended(a, bed.reading(a)), List{ledger(a, kSuspend, "window_over")});
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);
}

TEST_F(Sockets, C10AnErrorThatTheSocketDoesNotShowIsNoEnd) {
  bed.sleep(a);
  bed.doze.on_socket_event(bed.now, a, tag, SocketEvent::kError, bed.out);
  bed.take();
  EXPECT_EQ(bed.idle(a), List{Suspend{a}});
  EXPECT_EQ(bed.suspended(a, bed.reading(a)),
            (List{ledger(a, kSuspend, "quiet"), Watch{a, tag, WatchMode::kLevel, 0}}));
  EXPECT_EQ(bed.data(a, tag)[1], Action(Resume{a, WakeCause::kSocketData, tag, 10s}));
  // And its end has its wake yet.
  EXPECT_EQ(bed.idle(a), List{Suspend{a}});
  bed.ended = {tag};
  EXPECT_EQ(bed.suspended(a, bed.reading(a))[1],
            Action(Resume{a, WakeCause::kSocketEnd, tag, 10s}));
}

TEST_F(Sockets, C31ADoubtWakesAndTheSocketIsWatchedOn) {
  bed.sleep(a);
  bed.doze.on_socket_event(bed.now, a, tag, SocketEvent::kDoubt, bed.out);
  EXPECT_EQ(bed.take(), (List{Unwatch{a}, Resume{a, WakeCause::kSocketError, tag, 10s},
                              ledger(a, kWake, "socket_error", 1)}));
  EXPECT_EQ(bed.idle(a), List{Suspend{a}});
  EXPECT_EQ(bed.suspended(a, bed.reading(a)),
            (List{ledger(a, kSuspend, "quiet"), Watch{a, tag, WatchMode::kLevel, 0}}));
}

TEST_F(SocketsClassic, C31ADoubtChangesNothing) {
  bed.sleep(a);
  bed.doze.on_socket_event(bed.now, a, tag, SocketEvent::kDoubt, bed.out);
  EXPECT_EQ(bed.take(), List{});
  EXPECT_EQ(bed.data(a, tag)[1], Action(Resume{a, WakeCause::kSocketData, tag, 10s}));
}

TEST_F(SocketsClassic, C10AnEndDoesNotWakeAndIsNotWatchedAnyMore) {
  const TagId second = bed.tag(a);
  bed.sleep(a);
  bed.doze.on_socket_event(bed.now, a, tag, SocketEvent::kEnd, bed.out);
  EXPECT_EQ(bed.take(), (List{Unwatch{a}, Watch{a, second, WatchMode::kLevel, 0}}));
  EXPECT_EQ(bed.doze.state(a), AppState::kSuspended);
}

TEST_F(Sockets, RequestsThatWereOnTheirWayWhenItFrozeAreServed) {
  bed.sleep(a);
  const TagId second = bed.doze.tag(bed.now, a, bed.out).value();
  EXPECT_EQ(bed.take(), (List{ledger(a, kTag, "more_than_one", std::int64_t(second.value)),
                              Watch{a, second, WatchMode::kLevel, 0}}));
  EXPECT_TRUE(bed.doze.untag(bed.now, a, tag, bed.out));
  EXPECT_EQ(bed.take(), (List{ledger(a, kUntag, "untagged", std::int64_t(tag.value)), Unwatch{a},
                              Watch{a, second, WatchMode::kLevel, 0}}));
  const TaskId task = bed.doze.begin_task(bed.now, a, bed.out).value();
  EXPECT_EQ(bed.take(), (List{ledger(a, kTaskBegin, "begun", std::int64_t(task.value)), Unwatch{a},
                              Resume{a, WakeCause::kTask, {}, 10s}, ledger(a, kWake, "task")}));
}

// --- C13
// -------------------------------------------------------------------------------------------------

struct Limited : Sockets {
  explicit Limited(Profile profile = Profile::linux_default()) : Sockets(std::move(profile)) {
    bed.sleep(a);
    for (int i = 1; i <= 15; ++i) {
      EXPECT_EQ(bed.data(a, tag), (List{Unwatch{a}, Resume{a, WakeCause::kSocketData, tag, 10s},
                                        ledger(a, kWake, "socket_data", i)}));
      bed.sleep(a);
    }
  }
};
struct LimitedOnIos : Limited {
  LimitedOnIos() : Limited(Profile::ios()) {}
};

TEST_F(Limited, C13DelaysTheSixteenthWakeAndDoublesTheDelay) {
  for (const std::int64_t seconds : {1, 2, 4, 8}) {
    EXPECT_EQ(bed.data(a, tag),
              (List{Unwatch{a}, ledger(a, kWakeDelayed, "socket_data", seconds * 1'000)}));
    EXPECT_EQ(bed.doze.state(a), AppState::kSuspended);
    EXPECT_EQ(bed.doze.next_deadline(), bed.now + std::chrono::seconds(seconds));
    EXPECT_EQ(bed.data(a, tag), List{});
    EXPECT_EQ(bed.next()[0], Action(Resume{a, WakeCause::kSocketData, tag, 10s}));
    bed.sleep(a);
  }
}

TEST_F(Limited, C13AQuietSpellEndsTheDelay) {
  bed.data(a, tag);
  bed.next();
  bed.sleep(a);
  bed.now += 300s;
  EXPECT_EQ(bed.data(a, tag), (List{Unwatch{a}, Resume{a, WakeCause::kSocketData, tag, 10s},
                                    ledger(a, kWake, "socket_data", 1)}));
}

TEST_F(Limited, C13DelaysDataThatIsFoundRightAfterTheFreezeWithoutAWatch) {
  bed.data(a, tag);
  bed.next();
  EXPECT_EQ(bed.idle(a), List{Suspend{a}});
  EXPECT_EQ(bed.suspended(a, bed.reading(a, 4)),
            (List{ledger(a, kSuspend, "quiet"), ledger(a, kWakeDelayed, "socket_data", 2'000)}));
  EXPECT_EQ(bed.doze.next_deadline(), bed.now + 2s);
}

TEST_F(Limited, C13NeverDelaysTheUser) {
  bed.data(a, tag);
  EXPECT_EQ(bed.foreground(a)[0], Action(Resume{a, WakeCause::kForeground, {}, 0s}));
  EXPECT_EQ(bed.doze.next_deadline(), base::kNever);
}

TEST_F(LimitedOnIos, C13KillsAtTheSixteenthWakeAndC23Relaunches) {
  EXPECT_EQ(bed.data(a, tag), (List{Unwatch{a}, Kill{a, KillReason::kWakeLimit, false},
                                    ledger(a, kKill, "wake_limit")}));
  EXPECT_EQ(bed.exited(a, {.signaled = true, .code = 9}),
            (List{ledger(a, kExit, "signal", 9), Launch{a, LaunchReason::kCrash},
                  ledger(a, kLaunch, "crash")}));
}

TEST_F(SocketsClassic, C13HasNoLimitInTheClassicProfile) {
  bed.sleep(a);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(bed.data(a, tag).size(), 3U);
    bed.sleep(a);
  }
}

}  // namespace
}  // namespace wakeline::doze::testing
