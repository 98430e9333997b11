// SPDX-License-Identifier: Apache-2.0
// The way from one network to the next.
#include "core/link/link.h"
#include "core/link/link_testing.h"

namespace wakeline::link::test {
namespace {

/// Online for a minute.
Pen settled_at_home() {
  Pen pen;
  pen.network(true, false, "home");
  pen.go_online();
  pen.pass(seconds(60));
  return pen;
}

std::vector<Action> told(Pen& pen, const NetworkFacts& facts) {
  return pen.did([&](Actions& out) { pen.link.on_network_changed(pen.now, facts, out); });
}

TEST(LinkNetwork, PassesOverAnEventThatChangesNoFact) {
  Pen pen = settled_at_home();
  const NetworkFacts facts{.online = true, .key = "home", .fingerprint = pen.fingerprint};
  EXPECT_THAT(told(pen, facts), IsEmpty());
}

TEST(LinkNetwork, StartsOnTheNetworkThatIsThere) {
  Pen pen;
  EXPECT_THAT(told(pen, {.online = true, .key = "home", .fingerprint = 7}), IsEmpty());
  EXPECT_EQ(pen.link.next_deadline(), base::kNever);
  pen.go_online();
  EXPECT_EQ(pen.link.network().key, "home");
}

TEST(LinkNetwork, LetsFactsSettleAndForgetsThoseThatWereTakenBack) {
  Pen pen = settled_at_home();
  const NetworkFacts before{.online = true, .key = "home", .fingerprint = pen.fingerprint};
  const NetworkFacts down{.online = false, .key = "", .fingerprint = 99};
  EXPECT_THAT(told(pen, down), ElementsAre(HoldAwake{Why::kOnline}));
  EXPECT_EQ(pen.waits(), seconds(1));
  pen.pass(milliseconds(300));
  told(pen, before);
  EXPECT_EQ(pen.waits(), milliseconds(50));
  pen.deadline();
  EXPECT_EQ(pen.link.state(), State::kReady);
}

TEST(LinkNetwork, MakesTheNewLineBeforeItLeavesTheOldOne) {
  Pen pen = settled_at_home();
  EXPECT_THAT(pen.network(true, false, "road"),
              ElementsAre(HoldAwake{Why::kOnline}, Connect{{2}, kAddress, 8883, seconds(240)}));
  EXPECT_EQ(pen.link.live(), AttemptId{1});
  EXPECT_THAT(pen.heard(1, {push(1, 10)}), ElementsAre(delivered(1, 1))) << "the old line works on";
  EXPECT_EQ(pen.connected(2).size(), 1U) << "CONNECT";
  EXPECT_EQ(pen.heard(2, {our_connack()}), (std::vector<Action>{Close{{1}}}));
  EXPECT_EQ(pen.link.live(), AttemptId{2});
  EXPECT_EQ(pen.link.network().key, "road");
}

TEST(LinkNetwork, TakesTheServersGoodbyeToTheOldLineForItsOwnDoing) {
  Pen pen = settled_at_home();
  pen.network(true, false, "road");
  pen.connected(2);
  mqtt::Disconnect taken;
  taken.reason = mqtt::Reason::kSessionTakenOver;
  EXPECT_THAT(pen.heard(1, {taken}),
              ElementsAre(Close{{1}}, Report{State::kConnecting, Why::kTakenOver, {}, ""}));
  EXPECT_EQ(pen.heard(2, {our_connack()}).front(),
            Action(Report{State::kReady, Why::kOnline, {}, ""}));
}

TEST(LinkNetwork, StaysWithTheOldLineWhereTheNewNetworkLeadsNowhere) {
  Pen pen = settled_at_home();
  pen.network(true, false, "road");
  EXPECT_THAT(pen.failed(2), ElementsAre(LetGo{}));
  EXPECT_EQ(pen.link.live(), AttemptId{1});
  pen.pass(minutes(1));
  EXPECT_THAT(pen.heard(1, {push(1, 10)}), ElementsAre(delivered(1, 1), HoldAwake{Why::kOnline}));
}

TEST(LinkNetwork, LeavesALineWhoseAddressIsGoneWithoutAskingAnybody) {
  Pen pen = settled_at_home();
  const auto did = told(pen, {.online = true, .key = "road", .local_address_gone = true});
  EXPECT_EQ(did.at(0), Action(Close{{1}}));
  EXPECT_EQ(did.at(1), Action(Report{State::kConnecting, Why::kNetworkChanged, {}, ""}));
}

TEST(LinkNetwork, HoldsStillWhileNetworksFlap) {
  Pen pen = settled_at_home();
  for (int i = 0; i < 2; ++i) {
    pen.network(true, false, i % 2 == 0 ? "road" : "home");
    pen.connected(pen.attempt);
    pen.heard(pen.attempt, {our_connack()});
  }
  const auto before = pen.attempt;
  pen.pass(seconds(2));
  pen.network(true, false, "road");
  EXPECT_EQ(pen.attempt, before) << "the third change within a minute";
  pen.heard(pen.attempt, {mqtt::Pingresp{}});
  pen.deadline();
  EXPECT_EQ(pen.attempt, before + 1) << "half a minute later";
}

/// Waits after a try that came to nothing, and has a long wait before it; the last hurry is over.
Pen waiting() {
  Pen pen;
  pen.start();
  for (int k = 0; k < 8; ++k) {
    pen.did([&](Actions& out) { pen.link.on_resolve_failed(pen.now, pen.generation, out); });
    if (k < 7) pen.deadline();
  }
  EXPECT_GT(pen.waits(), minutes(1));
  return pen;
}

TEST(LinkNetwork, IsTriedAtOnceWhenItComesBack) {
  Pen pen = waiting();
  pen.network(false, false);
  ASSERT_EQ(pen.link.state(), State::kNoNetwork);
  const auto generation = pen.generation;
  pen.network(true, false);
  EXPECT_EQ(pen.link.state(), State::kConnecting);
  EXPECT_EQ(pen.generation, generation + 1);
}

TEST(LinkNetwork, IsTriedFiveSecondsAfterTheLastHurryWhereItComesBetween) {
  Pen pen = waiting();
  pen.woken();  // with no network yet, whatever the system says
  const Instant hurried = pen.now;
  pen.did([&](Actions& out) { pen.link.on_resolve_failed(pen.now, pen.generation, out); });
  ASSERT_GT(pen.waits(), minutes(1));
  pen.network(true, false);  // an address, a route
  EXPECT_EQ(pen.link.state(), State::kWaiting);
  EXPECT_EQ(pen.link.next_deadline(), hurried + seconds(5));
  pen.deadline();
  EXPECT_EQ(pen.link.state(), State::kConnecting);
}

TEST(LinkNetwork, IsNotBlamedForATryThatBeganWithoutIt) {
  Pen pen = waiting();
  pen.network(false, false);
  pen.woken();
  const Instant hurried = pen.now;
  ASSERT_EQ(pen.link.state(), State::kConnecting);
  const auto before = pen.generation;
  pen.network(true, false);
  EXPECT_EQ(pen.generation, before + 1) << "its name servers are asked";
  pen.resolved();
  pen.failed(pen.attempt);
  EXPECT_EQ(pen.link.state(), State::kWaiting);
  EXPECT_EQ(pen.link.next_deadline(), hurried + seconds(5));
  EXPECT_EQ(pen.link.network().routes.delay({kAddress, 8883}, pen.now), Duration::zero());
  pen.deadline();
  pen.failed(pen.attempt);
  pen.did([&](Actions& out) { pen.link.on_resolve_failed(pen.now, pen.generation, out); });
  EXPECT_GT(pen.waits(), minutes(1)) << "the try after it counts";
}

TEST(LinkNetwork, DoesNotOverruleTheServerWhenItComesBack) {
  Pen pen;
  pen.start();
  pen.resolved();
  pen.connected(1);
  mqtt::Connack busy;
  busy.reason = mqtt::Reason::kServerBusy;
  busy.properties.user.emplace_back("retry-after", "90000");
  pen.heard(1, {busy});
  const Instant until = pen.link.next_deadline();
  pen.network(false, false);
  EXPECT_GT(pen.link.next_deadline(), until);
  pen.network(true, false);
  EXPECT_EQ(pen.link.state(), State::kWaiting);
  EXPECT_EQ(pen.link.next_deadline(), until) << "as soon as it may, and no sooner";
}

TEST(LinkNetwork, DoesNotBlameTheNetworkForWhatAnotherOneKilled) {
  Pen pen = settled_at_home();
  pen.pass(minutes(10));
  pen.failed(1, Why::kPeerSilent);
  pen.network(true, false, "road");
  pen.come_back();
  EXPECT_EQ(pen.link.heartbeat(), seconds(240));
}

TEST(LinkRoutes, AreTriedFromTheLastRunWhileTheResolverIsSilent) {
  Pen pen;
  pen.go_online();
  pen.heard(1, {push(1, 1)});
  pen.accepted(1);
  Pen next(config(), pen.link.memory());
  next.now = pen.now + minutes(1);
  const auto did = next.start();
  EXPECT_THAT(
      did, ElementsAre(Report{State::kConnecting, Why::kStarted, {}, ""},
                       Resolve{1, "push.example", 8883}, Persist{1, next.memory()},
                       Connect{{1'025}, kAddress, 8883, seconds(240)}, HoldAwake{Why::kStarted}));
  Pen later(config(), pen.link.memory());
  later.now = pen.now + std::chrono::hours(25);
  EXPECT_EQ(later.start().size(), 3U) << "an answer of a day ago serves nobody";
}

TEST(LinkRoutes, JoinTheRaceWhenTheResolverAnswersLate) {
  const Address other{.ipv6 = false, .text = "192.0.2.9"};
  Pen pen = settled_at_home();
  pen.failed(1, Why::kPeerReset);
  pen.deadline();
  EXPECT_THAT(pen.failed(2), IsEmpty()) << "the resolver may know better";
  EXPECT_THAT(pen.resolved({kAddress, other}),
              ElementsAre(Connect{{3}, other, 8883, seconds(240)}));
}

TEST(LinkRoutes, GoOverOtherPortsWhereTheFirstIsBlocked) {
  Config c = config();
  c.more_ports = {443};
  Pen pen(c);
  pen.start();
  pen.resolved();
  EXPECT_THAT(pen.deadline(), ElementsAre(Connect{{2}, kAddress, 443, seconds(240)}));
  pen.connected(2);
  pen.heard(2, {our_connack()});
  pen.pass(seconds(60));
  pen.failed(2, Why::kPeerClosed);
  pen.deadline();
  EXPECT_EQ(pen.attempt, 3U);
  const auto routes = pen.link.network().routes;
  ASSERT_NE(routes.last_good(), nullptr);
  EXPECT_EQ(routes.last_good()->route.port, 443) << "the first one next time";
}

TEST(LinkRoutes, AreForgivenWhenTheUserWantsItNow) {
  Pen pen;
  pen.start();
  pen.resolved();
  for (int i = 0; i < 3; ++i) {
    pen.failed(pen.attempt);
    if (pen.link.state() == State::kConnecting)
      pen.did([&](Actions& out) { pen.link.on_resolve_failed(pen.now, pen.generation, out); });
    pen.deadline();
  }
  const Route route{kAddress, 8883};
  EXPECT_GT(pen.link.network().routes.delay(route, pen.now), Duration::zero());
  pen.did([&](Actions& out) { pen.link.on_kick(pen.now, out); });
  EXPECT_EQ(pen.link.network().routes.delay(route, pen.now), Duration::zero());
}

}  // namespace
}  // namespace wakeline::link::test
