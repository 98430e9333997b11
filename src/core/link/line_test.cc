// SPDX-License-Identifier: Apache-2.0
// The line itself: whether it lives, how it is lost, and when it comes back.
#include "core/link/link.h"
#include "core/link/link_testing.h"

namespace wakeline::link::test {
namespace {

mqtt::Connack refusal(mqtt::Reason reason) {
  mqtt::Connack c;
  c.reason = reason;
  return c;
}

/// Online for a minute, with W = 8 s.
Pen settled() {
  Pen pen;
  auto connack = our_connack();
  connack.properties.user.emplace_back("spread", "8000");
  pen.go_online(connack);
  pen.pass(seconds(60));
  return pen;
}

TEST(Line, IsProvenAtAWake) {
  Pen pen = settled();
  EXPECT_THAT(pen.woken(), ElementsAre(pingreq(1), HoldAwake{Why::kOnline}));
  EXPECT_THAT(pen.woken(), IsEmpty()) << "one ping at a time";
  pen.pass(milliseconds(40));
  EXPECT_THAT(pen.heard(1, {mqtt::Pingresp{}}), ElementsAre(LetGo{}));
  EXPECT_THAT(pen.woken(), IsEmpty()) << "the bytes of just now are proof enough";
  EXPECT_EQ(pen.link.next_deadline(), base::kNever);
}

TEST(Line, IsPreparedAnewWhenTheAnswerIsLateAndReplacedWhenItDoesNotCome) {
  Pen pen = settled();
  pen.woken();
  const Instant asked = pen.now;
  EXPECT_THAT(pen.deadline(), ElementsAre(Connect{{2}, kAddress, 8883, seconds(240)}));
  EXPECT_EQ(pen.now, asked + milliseconds(300));
  EXPECT_THAT(pen.connected(2), IsEmpty()) << "nobody speaks while the old line may live";
  const auto did = pen.deadline();
  EXPECT_EQ(pen.now, asked + seconds(1));
  ASSERT_EQ(did.size(), 3U);
  EXPECT_EQ(did[0], Action(Close{{1}}));
  EXPECT_EQ(did[1], Action(Report{State::kConnecting, Why::kPeerSilent, {}, ""}));
  EXPECT_TRUE(std::holds_alternative<Write>(did[2])) << "CONNECT on the prepared one";
  EXPECT_THAT(pen.heard(2, {our_connack()}),
              ElementsAre(Report{State::kReady, Why::kOnline, {}, ""}, LetGo{}));
}

TEST(Line, KeepsTheOldConnectionWhenItsAnswerComesLate) {
  Pen pen = settled();
  pen.woken();
  pen.deadline();
  pen.connected(2);
  EXPECT_THAT(pen.heard(1, {mqtt::Pingresp{}}), ElementsAre(Close{{2}}, LetGo{}));
  EXPECT_EQ(pen.link.live(), AttemptId{1});
}

TEST(Line, IsAskedOnceMoreByADeadlineThatFiresAfterASleep) {
  Pen pen = settled();
  pen.woken();
  pen.deadline();
  pen.failed(2);
  pen.pass(minutes(5));
  EXPECT_THAT(pen.deadline(), IsEmpty());
  EXPECT_THAT(pen.heard(1, {mqtt::Pingresp{}}), ElementsAre(LetGo{}));
}

TEST(Line, ComesBackAtOnceWhenOurPingIsAnsweredByAReset) {
  Pen pen = settled();
  pen.woken();
  EXPECT_THAT(
      pen.failed(1, Why::kPeerClosed),
      ElementsAre(Report{State::kConnecting, Why::kPeerClosed, {}, ""},
                  Resolve{2, "push.example", 8883}, Connect{{2}, kAddress, 8883, seconds(240)}));
}

TEST(Line, ComesBackWithinTheServersSpreadWhenEveryClientMayHaveLostIt) {
  for (int i = 0; i < 50; ++i) {
    Pen pen = settled();
    for (int skip = 0; skip < i; ++skip) {  // other random numbers
      pen.woken();
      pen.heard(1, {mqtt::Pingresp{}});
      pen.pass(seconds(1));
    }
    const auto did = pen.failed(1, Why::kPeerClosed);
    EXPECT_THAT(did,
                ElementsAre(Report{State::kWaiting, Why::kPeerClosed, pen.link.next_deadline(), ""},
                            HoldAwake{Why::kPeerClosed}));
    EXPECT_LE(pen.waits(), seconds(8));
  }
}

TEST(Line, CountsADeathSoonAfterLoginAsAFailure) {
  Pen pen;
  auto connack = our_connack();
  connack.properties.user.emplace_back("spread", "60000");
  pen.go_online(connack);
  pen.failed(1, Why::kPeerClosed);
  EXPECT_GE(pen.waits(), seconds(30));
  for (int k = 2; k <= 3; ++k) {
    pen.deadline();
    pen.come_back(connack);
    pen.failed(pen.attempt, Why::kPeerClosed);
    EXPECT_LE(pen.waits(), seconds(60));
  }
  for (int k = 4; k <= 5; ++k) {
    pen.deadline();
    pen.come_back(connack);
    pen.failed(pen.attempt, Why::kPeerClosed);
  }
  EXPECT_GE(pen.waits(), seconds(120)) << "the fifth death: twice to four times W";
}

TEST(Line, DoesNotTryWrongCredentialsAgainForFiveMinutes) {
  Pen pen;
  pen.start();
  pen.resolved();
  pen.persisted();
  pen.connected(1);
  auto no = refusal(mqtt::Reason::kBadCredentials);
  no.properties.reason_string = "no such device";
  const auto did = pen.heard(1, {no});
  EXPECT_THAT(did, ElementsAre(Close{{1}},
                               Report{State::kWaiting, Why::kBadCredentials,
                                      pen.link.next_deadline(), "no such device"},
                               LetGo{}));
  EXPECT_GE(pen.waits(), minutes(5));
  pen.pass(minutes(4));
  EXPECT_THAT(pen.woken(), IsEmpty());
  EXPECT_THAT(pen.foreground(true), IsEmpty());
  pen.network(true, false);
  EXPECT_EQ(pen.link.state(), State::kWaiting);
}

TEST(Line, ObeysRetryAfterEvenInALaterRun) {
  Pen pen;
  pen.start();
  pen.resolved();
  pen.persisted();
  pen.connected(1);
  auto busy = refusal(mqtt::Reason::kServerBusy);
  busy.properties.user.emplace_back("retry-after", "90000");
  pen.heard(1, {busy});
  EXPECT_EQ(pen.link.state(), State::kWaiting);
  EXPECT_GE(pen.waits(), seconds(90));
  EXPECT_LE(pen.waits(), milliseconds(90'500));
  const Memory memory = pen.memory();
  EXPECT_EQ(memory.not_before, pen.link.next_deadline());
  EXPECT_THAT(pen.woken(), IsEmpty());

  Pen later(config(), memory);
  later.pass(seconds(10));
  EXPECT_THAT(later.start(),
              ElementsAre(Report{State::kWaiting, Why::kServerBusy, memory.not_before, ""}));
}

TEST(Line, IsNotLockedOutByAClockThatWasWrong) {
  Memory far;
  far.not_before = Instant(std::chrono::hours(500));
  Pen pen(config(), far);
  pen.start();
  EXPECT_EQ(pen.link.state(), State::kWaiting);
  EXPECT_EQ(pen.waits(), kRetryAfterMax);
  EXPECT_EQ(pen.memory().not_before, pen.now + kRetryAfterMax);

  Pen again(config(), pen.memory());
  again.now = pen.now;
  again.pass(minutes(50));
  again.start();
  EXPECT_EQ(again.waits(), minutes(10)) << "a later run does not begin anew";
  again.deadline();
  again.come_back();
  EXPECT_EQ(again.memory().not_before, Instant{});
}

TEST(Line, ForgetsRetryAfterAtTheNextLogin) {
  Pen pen;
  pen.start();
  pen.resolved();
  pen.persisted();
  pen.connected(1);
  auto busy = refusal(mqtt::Reason::kServerBusy);
  busy.properties.user.emplace_back("retry-after", "90000");
  pen.heard(1, {busy});
  pen.persisted();
  pen.deadline();
  pen.connected(pen.attempt);
  const auto did = pen.heard(pen.attempt, {our_connack(0)});
  ASSERT_EQ(pen.link.state(), State::kReady);
  EXPECT_EQ(pen.memory().not_before, Instant{});
  EXPECT_THAT(did, ::testing::Contains(Action(Persist{pen.serial, pen.memory()})));
}

TEST(Line, StaysOnItsNetworkWhileTheServerWantsNoLogin) {
  Pen pen = settled();
  pen.network(true, false, "road");
  pen.connected(2);
  auto busy = refusal(mqtt::Reason::kServerBusy);
  busy.properties.user.emplace_back("retry-after", "90000");
  pen.heard(2, {busy});
  ASSERT_EQ(pen.link.live(), AttemptId{1});
  const Instant quiet = pen.memory().not_before;
  pen.heard(1, {mqtt::Pingresp{}});
  pen.network(true, false, "cafe");
  EXPECT_EQ(pen.attempt, 2U);
  while (pen.now < quiet) {
    ASSERT_EQ(pen.attempt, 2U);
    if (pen.link.next_deadline() < quiet) pen.heard(1, {mqtt::Pingresp{}});
    pen.deadline();
  }
  EXPECT_EQ(pen.attempt, 3U) << "when it may";
}

TEST(Line, MovesWithinTheDrainThatTheServerAnnounces) {
  Pen pen = settled();
  mqtt::Disconnect bye;
  bye.reason = mqtt::Reason::kUseAnotherServer;
  bye.properties.user.emplace_back("drain", "500");
  const auto did = pen.heard(1, {bye});
  EXPECT_THAT(
      did, ElementsAre(Close{{1}},
                       Report{State::kWaiting, Why::kServerDraining, pen.link.next_deadline(), ""},
                       HoldAwake{Why::kServerDraining}));
  EXPECT_LE(pen.waits(), milliseconds(500));
}

TEST(Line, WaitsOutATakeover) {
  Pen pen = settled();
  mqtt::Disconnect bye;
  bye.reason = mqtt::Reason::kSessionTakenOver;
  pen.heard(1, {bye});
  EXPECT_GE(pen.waits(), seconds(4));
}

TEST(Line, TriesAtOnceAtAWakeButNotMoreOftenThanEveryFiveSeconds) {
  Config c = config();
  Memory memory;
  memory.spread = minutes(10);
  Pen pen(c, memory);
  pen.start();
  pen.resolved();
  pen.failed(1);
  ASSERT_EQ(pen.link.state(), State::kWaiting);
  EXPECT_THAT(pen.woken(), ElementsAre(Report{State::kConnecting, Why::kWoken, {}, ""},
                                       Resolve{2, "push.example", 8883},
                                       Connect{{2}, kAddress, 8883, seconds(240)}));
  pen.resolved();
  pen.failed(2);
  pen.pass(milliseconds(4'999));
  EXPECT_THAT(pen.woken(), IsEmpty());
  pen.pass(milliseconds(1));
  pen.woken();
  EXPECT_EQ(pen.link.state(), State::kConnecting);
}

TEST(Line, IsNotHurriedBackByTheWakeThatBroughtItsLoss) {
  Pen pen = settled();
  pen.failed(1, Why::kPeerClosed);
  const Instant until = pen.link.next_deadline();
  EXPECT_THAT(pen.woken(), IsEmpty()) << "all clients of a server that died are here now";
  EXPECT_EQ(pen.link.next_deadline(), until);
}

TEST(Line, SleepsWithoutANetworkButForOneSafetyCheck) {
  Pen pen = settled();
  const Instant gone_at = pen.now;
  EXPECT_THAT(pen.network(false, true),
              ElementsAre(Close{{1}}, Report{State::kNoNetwork, Why::kNetworkChanged,
                                             gone_at + minutes(15), ""}));
  EXPECT_EQ(pen.link.next_deadline(), gone_at + minutes(15));
  EXPECT_THAT(
      pen.deadline(),
      ElementsAre(Report{State::kConnecting, Why::kRetry, {}, ""}, Resolve{2, "push.example", 8883},
                  Connect{{2}, kAddress, 8883, seconds(240)}, HoldAwake{Why::kRetry}))
      << "the last answer serves while the resolver is silent";
  pen.failed(2);
  pen.did([&](Actions& out) { pen.link.on_resolve_failed(pen.now, 2, out); });
  EXPECT_EQ(pen.link.state(), State::kNoNetwork);
  EXPECT_EQ(pen.waits(), minutes(15));
  EXPECT_THAT(
      pen.network(true, false),
      ElementsAre(HoldAwake{Why::kConnectFailed},
                  Report{State::kConnecting, Why::kNetworkChanged, {}, ""},
                  Resolve{3, "push.example", 8883}, Connect{{3}, kAddress, 8883, seconds(240)}));
}

TEST(Line, IsAskedWhenTheNetworkChangedUnderIt) {
  Pen pen = settled();
  EXPECT_THAT(pen.network(true, false), ElementsAre(HoldAwake{Why::kOnline}, pingreq(1)));
}

TEST(Line, PingsByItsOwnTimerOnlyWhereNoHostDoes) {
  Config c = config();
  c.ping_by_timer = true;
  Pen alone(c);
  alone.go_online();
  EXPECT_EQ(alone.waits(), seconds(599));
  EXPECT_THAT(alone.deadline(), ElementsAre(pingreq(1), HoldAwake{Why::kOnline}));

  Pen hosted;
  hosted.go_online();
  EXPECT_EQ(hosted.link.next_deadline(), base::kNever);
  hosted.foreground(true);
  EXPECT_EQ(hosted.waits(), seconds(599)) << "no keep-alive handler runs in the foreground (C16)";
  hosted.foreground(false);
  EXPECT_EQ(hosted.link.next_deadline(), base::kNever);
}

TEST(Line, FollowsTheServersKeepAlive) {
  Config c = config();
  c.ping_by_timer = true;
  Pen pen(c);
  auto connack = our_connack();
  connack.properties.server_keep_alive_s = 30;
  pen.go_online(connack);
  EXPECT_EQ(pen.waits(), seconds(29));
}

TEST(Line, DoesNotAskForAnotherTaskWhenItsTaskRanOut) {
  Pen pen = settled();
  pen.failed(1, Why::kPeerClosed);
  pen.link.on_hold_expired(pen.now);
  for (const Action& a : pen.deadline()) EXPECT_FALSE(std::holds_alternative<HoldAwake>(a));
  EXPECT_THAT(pen.woken(), ElementsAre(HoldAwake{Why::kRetry})) << "a new wake is a new chance";
}

// --- the race

const Address kSix{.ipv6 = true, .text = "2001:db8::1"};
const Address kSixToo{.ipv6 = true, .text = "2001:db8::2"};
const Address kFour{.ipv6 = false, .text = "192.0.2.4"};

TEST(Race, StaggersItsStartsAndStartsTheNextAtOnceWhenOneFails) {
  Pen pen;
  pen.start();
  pen.resolved({kSix, kSixToo, kFour});
  const Instant began = pen.now;
  EXPECT_THAT(pen.deadline(), ElementsAre(Connect{{2}, kFour, 8883, seconds(240)}));
  EXPECT_EQ(pen.now, began + milliseconds(250));
  EXPECT_THAT(pen.failed(1), ElementsAre(Connect{{3}, kSixToo, 8883, seconds(240)}));
}

TEST(Race, TriesNoMoreThanThreeAtOnceAndGivesUpEachInItsTime) {
  Pen pen;
  pen.start();
  pen.resolved(std::vector<Address>(5, kFour));
  const Instant began = pen.now;
  pen.deadline();
  pen.deadline();
  EXPECT_EQ(pen.attempt, 3U);
  EXPECT_THAT(pen.deadline(), ElementsAre(Close{{1}}, Connect{{4}, kFour, 8883, seconds(240)}));
  EXPECT_EQ(pen.now, began + seconds(10));
}

TEST(Race, LetsOneSpeakAtATimeAndClosesTheLosers) {
  Pen pen;
  pen.start();
  pen.resolved({kSix, kFour});
  pen.deadline();
  EXPECT_EQ(pen.connected(2).size(), 1U) << "the first that stands speaks";
  EXPECT_THAT(pen.connected(1), IsEmpty()) << "the other stands by";
  EXPECT_EQ(pen.heard(2, {our_connack()})[0], Action(Close{{1}}));
  EXPECT_EQ(pen.link.live(), AttemptId{2});
}

TEST(Race, LeavesASilentServerForTheNextAddress) {
  Pen pen;
  pen.start();
  pen.resolved({kSix, kFour});
  pen.deadline();
  pen.connected(1);
  const Instant spoke = pen.now;
  pen.connected(2);
  const auto did = pen.deadline();
  EXPECT_EQ(pen.now, spoke + seconds(3));
  ASSERT_EQ(did.size(), 2U);
  EXPECT_EQ(did[0], Action(Close{{1}}));
  EXPECT_EQ(std::get<Write>(did[1]).attempt, AttemptId{2});
}

TEST(Race, ShakesHandsWithOneRouteAtATimeUntilThatIsLate) {
  Pen pen;
  pen.start();
  pen.resolved({kSix, kFour});
  pen.deadline();
  pen.pass(milliseconds(50));
  EXPECT_THAT(pen.tcp(1), ElementsAre(Secure{{1}}));
  EXPECT_THAT(pen.tcp(2), IsEmpty()) << "its turn has not come";
  const Instant asked = pen.now;
  EXPECT_THAT(pen.deadline(), ElementsAre(Secure{{2}}));
  EXPECT_EQ(pen.now, asked + 5 * milliseconds(300)) << "five times what TCP took";
  EXPECT_EQ(pen.connected(2).size(), 1U) << "it speaks";
  EXPECT_THAT(pen.connected(1), IsEmpty());
}

TEST(Race, GivesTheHandshakeToTheNextThatStandsWhenOneFails) {
  Pen pen;
  pen.start();
  pen.resolved({kSix, kFour});
  pen.deadline();
  pen.tcp(2);
  pen.tcp(1);
  EXPECT_THAT(pen.failed(2, Why::kTlsFailed), ElementsAre(Secure{{1}}));
  EXPECT_EQ(pen.connected(1).size(), 1U);
}

TEST(Race, StartsNoOtherRouteWhileAHandshakeIsInItsTime) {
  Pen pen;
  pen.start();
  pen.resolved({kSix, kFour});
  pen.pass(milliseconds(100));
  pen.tcp(1);
  const Instant asked = pen.now;
  EXPECT_THAT(pen.deadline(), ElementsAre(Connect{{2}, kFour, 8883, seconds(240)}));
  EXPECT_EQ(pen.now, asked + milliseconds(500));
}

TEST(Race, BeginsWithTheFamilyThatWasResolvedFirstAndGoesOnWithTheOther) {
  const Address four_too{.ipv6 = false, .text = "192.0.2.5"};
  Pen pen;
  pen.start();
  EXPECT_EQ(pen.resolved_in_part({kFour, four_too}).back(),
            Action(Connect{{1}, kFour, 8883, seconds(240)}));
  const Instant began = pen.now;
  pen.pass(milliseconds(100));
  EXPECT_THAT(pen.resolved({kSix, kFour, four_too}), IsEmpty());
  EXPECT_THAT(pen.deadline(), ElementsAre(Connect{{2}, kSix, 8883, seconds(240)}));
  EXPECT_EQ(pen.now, began + milliseconds(250));
  EXPECT_THAT(pen.failed(2), ElementsAre(Connect{{3}, four_too, 8883, seconds(240)}));
}

TEST(Race, WaitsForTheOtherFamilyWhenThePartThatCameFails) {
  Pen pen;
  pen.start();
  pen.resolved_in_part({kSix});
  EXPECT_THAT(pen.failed(1), IsEmpty());
  EXPECT_EQ(pen.link.state(), State::kConnecting);
  EXPECT_THAT(pen.resolved({kSix, kFour}).front(), Action(Connect{{2}, kFour, 8883, seconds(240)}));
}

TEST(Race, FailsWithTheReasonOfItsLastAttempt) {
  Pen pen;
  pen.start();
  pen.resolved({kSix, kFour});
  pen.failed(1);
  const auto did = pen.failed(2, Why::kTlsFailed);
  EXPECT_THAT(did,
              ElementsAre(Report{State::kWaiting, Why::kTlsFailed, pen.link.next_deadline(), ""}));
}

}  // namespace
}  // namespace wakeline::link::test
