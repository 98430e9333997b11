// SPDX-License-Identifier: Apache-2.0
// What the link makes of silence: its heartbeat, its evidence, the second flow.
#include "core/link/link.h"
#include "core/link/link_testing.h"

namespace wakeline::link::test {
namespace {

/// A server that serves probe flows.
mqtt::Connack probing_connack() {
  auto connack = our_connack();
  connack.properties.user.emplace_back("probe", "1");
  return connack;
}

Config without_kernel() {
  Config c = config();
  c.kernel_keeps_alive = false;
  return c;
}

/// Silence, then a ping that is answered.
std::vector<Action> silent(Pen& pen, Duration gap) {
  pen.pass(gap);
  pen.woken();
  pen.pass(milliseconds(40));
  return pen.heard(pen.attempt, {mqtt::Pingresp{}});
}

TEST(LinkHeartbeat, TellsTheKernelWhenTheLineHasProvenMoreOrLess) {
  Pen pen;
  pen.go_online();
  EXPECT_EQ(pen.link.heartbeat(), seconds(240));
  const auto did = silent(pen, minutes(10));
  EXPECT_THAT(
      did, ElementsAre(Persist{pen.serial, pen.memory()}, SetHeartbeat{{1}, milliseconds(223'200)}))
      << "the kernel spoke every 240 s, so that is what was proven";
  EXPECT_EQ(pen.link.network().gaps.lo, seconds(240));
}

TEST(LinkHeartbeat, TakesADeathForEvidenceOnlyWhenTheSameServerIsBackAtOnce) {
  for (const bool at_once : {true, false}) {
    Pen pen;
    pen.go_online();
    pen.pass(minutes(10));
    EXPECT_EQ(pen.failed(1, Why::kPeerSilent).front(),
              Action(Report{State::kConnecting, Why::kPeerSilent, {}, ""}))
        << "the kernel's keep-alive found it: no other client lost anything";
    if (!at_once) {
      pen.resolved();
      pen.failed(2);
      pen.deadline();
    }
    pen.come_back();
    EXPECT_EQ(pen.link.heartbeat(), at_once ? seconds(120) : seconds(240));
  }
}

TEST(LinkHeartbeat, TakesAResetAtTheKernelsKeepAliveForTheNetworksAndAnyOtherForTheServers) {
  Pen pen;
  pen.go_online();
  pen.pass(seconds(241));
  pen.failed(1, Why::kPeerReset);
  EXPECT_EQ(pen.link.state(), State::kConnecting);
  Pen other;
  other.go_online();
  other.pass(seconds(300));
  other.failed(1, Why::kPeerReset);
  EXPECT_EQ(other.link.state(), State::kWaiting) << "every client may have lost it now";
}

TEST(LinkHeartbeat, AsksThreeTimesWhereNothingElseAnswersEither) {
  Pen pen;
  pen.go_online();
  pen.pass(minutes(10));
  pen.woken();
  const Instant asked = pen.now;
  pen.deadline();  // the hedge
  pen.failed(2);
  EXPECT_THAT(pen.deadline(), ElementsAre(pingreq(1)));
  EXPECT_THAT(pen.deadline(), ElementsAre(pingreq(1)));
  const auto did = pen.deadline();
  EXPECT_EQ(pen.now, asked + seconds(3));
  EXPECT_EQ(did.front(), Action(Close{{1}}));
  EXPECT_EQ(pen.link.state(), State::kConnecting);
}

TEST(LinkHeartbeat, TakesTheLineThatStandsByAsSoonAsTheFirstQuestionsTimeIsOver) {
  Pen pen;
  pen.go_online();
  pen.pass(minutes(10));
  pen.woken();
  pen.deadline();  // the hedge
  pen.deadline();  // the second question
  const auto did = pen.connected(2);
  ASSERT_EQ(did.size(), 3U);
  EXPECT_EQ(did[0], Action(Close{{1}}));
  EXPECT_TRUE(std::holds_alternative<Write>(did[2])) << "CONNECT";
}

TEST(LinkHeartbeat, RacesAtOnceWhereTheKernelSendsAgainAndAgain) {
  Pen pen;
  pen.go_online();
  pen.pass(minutes(10));
  const auto did =
      pen.did([&](Actions& out) { pen.link.on_woken(pen.now, {.resending = true}, out); });
  EXPECT_THAT(did, ElementsAre(pingreq(1), Connect{{2}, kAddress, 8883, seconds(240)},
                               HoldAwake{Why::kOnline}));
}

TEST(LinkHeartbeat, NeedsNoPingForALineThatTheKernelKnowsToBeDead) {
  for (const LineFacts facts : {LineFacts{.ended = true}, LineFacts{.address_gone = true}}) {
    Pen pen;
    pen.go_online();
    pen.pass(minutes(10));
    const auto did = pen.did([&](Actions& out) { pen.link.on_woken(pen.now, facts, out); });
    EXPECT_EQ(did[0], Action(Close{{1}}));
    EXPECT_EQ(pen.link.state(), State::kConnecting);
  }
}

// --- a machine whose kernel sleeps too

TEST(LinkHeartbeat, SpeaksByItselfWhereTheKernelSleepsAndNamesItsWindow) {
  Pen pen(without_kernel());
  pen.go_online();
  EXPECT_EQ(pen.link.next_deadline(), pen.now + seconds(240));
  EXPECT_EQ(pen.link.next_wake(), (WakeWindow{pen.now + seconds(180), pen.now + seconds(240)}));
  EXPECT_THAT(pen.deadline(), ElementsAre(pingreq(1), HoldAwake{Why::kOnline}));
}

/// What CONNECT of that attempt says, in seconds.
int declared(Pen& pen, std::uint64_t attempt) {
  const auto hello = std::get<Write>(pen.connected(attempt).at(0));
  const auto decoded = mqtt::decode(hello.bytes, mqtt::Version::k5);
  return std::get<mqtt::Connect>(decoded->packet).keep_alive_s;
}

/// A network whose bracket is narrow: 441 s is the heartbeat of a punctual timer.
Memory settled_memory() {
  Memory memory;
  memory.networks.use("", Instant(seconds(900))).gaps = {.lo = seconds(450),
                                                         .main_lo = seconds(450),
                                                         .hi = seconds(453),
                                                         .proven_at = Instant(seconds(900))};
  return memory;
}

TEST(LinkHeartbeat, SaysTheLongestHeartbeatWhileItIsStillLearnt) {
  Pen pen(without_kernel());
  pen.start();
  pen.resolved();
  EXPECT_EQ(declared(pen, 1), 1'681);
  pen.heard(1, {our_connack()});
  pen.pass(seconds(500));  // the machine slept; the NAT did not
  pen.woken();
  EXPECT_THAT(pen.heard(1, {mqtt::Pingresp{}}),
              ::testing::Not(::testing::Contains(::testing::VariantWith<Connect>(::testing::_))))
      << "a longer heartbeat needs no other login";
  EXPECT_EQ(pen.link.heartbeat(), seconds(465));
}

TEST(LinkHeartbeat, SaysASettledHeartbeatAndAnewWhenItHasGrown) {
  Pen pen(without_kernel(), settled_memory());
  pen.start();
  pen.resolved();
  EXPECT_EQ(declared(pen, 1), 442);
  pen.heard(1, {our_connack()});
  pen.pass(seconds(600));
  pen.woken();
  EXPECT_THAT(pen.heard(1, {mqtt::Pingresp{}}),
              ::testing::Contains(Action(Connect{{2}, kAddress, 8883, Duration::zero()})))
      << "the new line stands before the old one is left";
  EXPECT_EQ(pen.link.state(), State::kReady);
  EXPECT_EQ(declared(pen, 2), 1'681);
  EXPECT_EQ(pen.heard(2, {our_connack()}).front(), Action(Close{{1}}));
  EXPECT_EQ(pen.link.live(), AttemptId{2});
}

TEST(LinkHeartbeat, CountsALongerHeartbeatFromTheLastBytesAndNotFromWhenItWasLearnt) {
  Pen pen(without_kernel());
  pen.go_online(probing_connack());
  const auto speak = [&] {
    pen.deadline();
    pen.pass(milliseconds(40));
    pen.heard(pen.attempt, {mqtt::Pingresp{}});
  };
  speak();
  ASSERT_NE(pen.probe, 0U) << "240 s are proven, 480 s to be tried";
  pen.connected(pen.probe);
  pen.heard(pen.probe, {mqtt::Connack{}});
  const Instant asks = pen.now + seconds(480);
  Instant spoke = pen.now;
  while (pen.link.next_deadline() < asks) {
    speak();
    spoke = pen.now;
  }
  ASSERT_LT(spoke + seconds(30), asks) << "the line has been silent for a while";
  pen.deadline();
  pen.pass(milliseconds(40));
  pen.heard(pen.probe, {mqtt::Pingresp{}});
  pen.failed(pen.probe);  // the next one, which would have a deadline of its own
  EXPECT_EQ(pen.link.heartbeat(), milliseconds(446'400) + (pen.now - asks - milliseconds(40)));
  EXPECT_EQ(pen.link.next_wake().latest, spoke + pen.link.heartbeat());
  pen.foreground(false);
  EXPECT_EQ(pen.link.next_wake().latest, spoke + pen.link.heartbeat());
}

TEST(LinkHeartbeat, LogsInNoSecondTimeWhereTheServerWantsAnIntervalOfItsOwn) {
  Pen pen(without_kernel(), settled_memory());
  pen.start();
  pen.resolved();
  pen.connected(1);
  auto connack = our_connack();
  connack.properties.server_keep_alive_s = 300;
  pen.heard(1, {connack});
  for (int i = 0; i < 3; ++i)
    EXPECT_THAT(silent(pen, seconds(299)),
                ::testing::Not(::testing::Contains(::testing::VariantWith<Connect>(::testing::_))));
}

TEST(LinkHeartbeat, WritesWhatItHasLearntForTheNextRun) {
  Pen pen;
  pen.network(true, false, "home");
  pen.go_online();
  silent(pen, minutes(10));
  const Memory memory = pen.link.memory();
  ASSERT_NE(memory.networks.find("home"), nullptr);
  Pen next(config(), memory);
  next.network(true, false, "home");
  next.start();
  EXPECT_EQ(next.link.heartbeat(), milliseconds(223'200));
  next.network(true, false, "road");
  EXPECT_EQ(next.link.heartbeat(), seconds(240));
}

// --- the second flow

/// Online with 240 s proven, so that 480 s are to be tried.
Pen curious() {
  Pen pen;
  pen.go_online(probing_connack());
  silent(pen, minutes(10));
  while (pen.probe == 0) silent(pen, seconds(300));
  return pen;
}

TEST(LinkProbe, IsASecondConnectionThatSaysWhatItIsAndHoldsNoSession) {
  Pen pen;
  pen.go_online(probing_connack());
  const auto did = silent(pen, minutes(10));
  EXPECT_EQ(did.back(), Action(Connect{{pen.probe}, kAddress, 8883, Duration::zero(), true}));
  pen.persisted();
  mqtt::Connect hello;
  hello.clean_start = true;
  hello.user_name = "door";
  hello.password = config().token;
  hello.properties.user = {{"probe", "1"}};
  EXPECT_THAT(pen.connected(pen.probe), ElementsAre(wrote(pen.probe, {hello})));
  EXPECT_THAT(pen.heard(pen.probe, {mqtt::Connack{}}), ElementsAre(LetGo{}));
  EXPECT_EQ(pen.link.next_wake(), (WakeWindow{pen.now + seconds(480), pen.now + seconds(480)}));
}

TEST(LinkProbe, IsOpenedForAServerAlone) {
  Pen pen;
  pen.go_online();
  silent(pen, minutes(10));
  silent(pen, minutes(10));
  EXPECT_EQ(pen.probe, 0U) << "it did not say that it serves such connections";
}

TEST(LinkProbe, ProvesTheGapItWasSilentForHoweverLateItIsAsked) {
  Pen pen = curious();
  const auto id = pen.probe;
  pen.connected(id);
  pen.heard(id, {mqtt::Connack{}});
  pen.pass(seconds(555));
  pen.did([&](Actions& out) { pen.link.on_deadline(pen.now, out); });
  pen.heard(id, {mqtt::Pingresp{}});
  EXPECT_EQ(pen.link.network().gaps.lo, seconds(555));
  EXPECT_NE(pen.probe, id) << "the next one begins in the same wake";
}

TEST(LinkProbe, IsDeadOnlyWhenTheLineItselfStillAnswers) {
  for (const bool answers : {true, false}) {
    Pen pen = curious();
    const auto id = pen.probe;
    pen.connected(id);
    pen.heard(id, {mqtt::Connack{}});
    pen.pass(seconds(480));
    EXPECT_EQ(pen.did([&](Actions& out) { pen.link.on_deadline(pen.now, out); }).front(),
              pingreq(id));
    EXPECT_EQ(pen.failed(id, Why::kPeerReset).front(), pingreq(pen.attempt));
    if (answers)
      pen.heard(pen.attempt, {mqtt::Pingresp{}});
    else
      pen.failed(pen.attempt, Why::kPeerClosed);
    EXPECT_EQ(pen.link.network().gaps.doubt, answers ? seconds(480) : Duration::zero());
  }
}

TEST(LinkProbe, TeachesNothingWhenTheServerEndsIt) {
  Pen pen = curious();
  pen.connected(pen.probe);
  pen.heard(pen.probe, {mqtt::Connack{}});
  const Gaps before = pen.link.network().gaps;
  const auto id = pen.probe;
  pen.heard(id, {mqtt::Disconnect{.reason = mqtt::Reason::kServerBusy, .properties = {}}});
  silent(pen, minutes(10));
  EXPECT_EQ(pen.probe, id) << "left alone until the next login";
  EXPECT_EQ(pen.link.network().gaps.lo, before.lo);
  EXPECT_EQ(pen.link.network().gaps.doubt, before.doubt);
}

TEST(LinkProbe, IsNotOpenedWhereAnAnswerMayTakeLongerThanAnAppIsHeldAwakeForIt) {
  Pen pen;
  pen.network(true, false, "home");
  pen.go_online(probing_connack());
  Memory slow = pen.link.memory();
  auto network = pen.link.network();
  for (int i = 0; i < 4; ++i) network.rtt.add(seconds(10));
  slow.networks.use("home", network.used_at) = network;
  for (const bool is_slow : {false, true}) {
    Pen next(config(), is_slow ? slow : pen.link.memory());
    next.network(true, false, "home");
    next.go_online(probing_connack());
    silent(next, minutes(10));
    EXPECT_EQ(next.probe == 0U, is_slow);
  }
}

TEST(LinkProbe, EndsWithTheLine) {
  Pen pen = curious();
  const auto id = pen.probe;
  pen.connected(id);
  pen.heard(id, {mqtt::Connack{}});
  const auto did = pen.failed(pen.attempt, Why::kPeerClosed);
  EXPECT_EQ(did.at(0), wrote(id, {mqtt::Disconnect{}}));
  EXPECT_EQ(did.at(1), Action(Close{{id}}));
}

}  // namespace
}  // namespace wakeline::link::test
