// SPDX-License-Identifier: Apache-2.0
/// An app that asks for quiet.
#include "core/link/link_testing.h"

namespace wakeline::link::test {
namespace {

using wire::Urgency;

mqtt::Subscribe quiet(Urgency lowest) {
  mqtt::Subscribe subscribe;
  subscribe.packet_id = 1;
  subscribe.topics.push_back(
      {.filter = "wakeline/inbox/door", .qos = mqtt::Qos::kAtLeastOnce, .retain_handling = 1});
  subscribe.properties.user = {{"urgency", std::string(wire::name(lowest))}};
  return subscribe;
}

std::vector<Action> ask(Pen& pen, Urgency lowest) {
  return pen.did([&](Actions& out) { pen.link.ask_for(pen.now, lowest, out); });
}

/// What CONNECT says of urgency; empty: nothing.
std::string said(const std::vector<Action>& actions) {
  for (const Action& action : actions) {
    const auto* write = std::get_if<Write>(&action);
    if (write == nullptr) continue;
    const auto decoded = mqtt::decode(write->bytes, mqtt::Version::k5);
    if (const auto* connect = std::get_if<mqtt::Connect>(&decoded->packet))
      return std::string(connect->properties.user_value("urgency").value_or(""));
  }
  return "no CONNECT";
}

TEST(LinkQuiet, IsAskedForOnALineThatStandsAndRemembered) {
  Pen pen;
  pen.go_online();
  Memory memory = pen.memory();
  memory.lowest = Urgency::kHigh;
  memory.withheld = true;
  EXPECT_THAT(
      ask(pen, Urgency::kHigh),
      ElementsAre(Persist{3, memory}, wrote(1, {quiet(Urgency::kHigh)}), HoldAwake{Why::kOnline}));
  EXPECT_THAT(ask(pen, Urgency::kHigh), IsEmpty()) << "it is known";
  EXPECT_THAT(pen.persisted(), IsEmpty()) << "the server has not answered";
  EXPECT_THAT(pen.heard(1, {granted()}), ElementsAre(LetGo{}));
}

TEST(LinkQuiet, IsSaidInConnectWhenAskedForBeforeAndOverARestart) {
  Pen pen;
  EXPECT_THAT(ask(pen, Urgency::kNormal).size(), 2U) << "to disk, awake meanwhile";
  pen.start();
  pen.resolved();
  EXPECT_EQ(said(pen.connected(1)), "normal");
  Pen next(config(), pen.link.memory());
  next.start();
  next.resolved();
  EXPECT_EQ(said(next.connected(next.attempt)), "normal");
  Pen never;
  never.start();
  never.resolved();
  EXPECT_EQ(said(never.connected(1)), "") << "as it was";
}

TEST(LinkQuiet, AsksForOneAtATimeAndTheLastWordCounts) {
  Pen pen;
  pen.go_online();
  ask(pen, Urgency::kHigh);
  ask(pen, Urgency::kLow);
  EXPECT_THAT(ask(pen, Urgency::kNormal), IsEmpty());
  EXPECT_THAT(pen.heard(1, {granted()}), ElementsAre(wrote(1, {quiet(Urgency::kNormal)})));
  EXPECT_THAT(pen.heard(1, {granted()}), IsEmpty());
}

TEST(LinkQuiet, IsNotSaidToABrokerThatNumbersNothing) {
  Pen pen;
  pen.go_online(mqtt::Connack{});
  for (const Action& action : ask(pen, Urgency::kHigh))
    EXPECT_FALSE(std::holds_alternative<Write>(action));
}

/// As our server says it from the moment on at which all is wanted: up to `through`, numbers are
/// missing because of quiet.
mqtt::Publish after_quiet(Sequence through, mqtt::Publish publish) {
  publish.properties.user.emplace_back("withheld", std::to_string(through));
  return publish;
}

TEST(LinkQuiet, IsNoReasonToSayThatPushesNeverCome) {
  Pen pen;
  pen.go_online();
  pen.heard(1, {push(1, 10)});
  ask(pen, Urgency::kHigh);
  pen.heard(1, {granted()});
  EXPECT_THAT(pen.heard(1, {push(4, 11)}), ElementsAre(delivered(2, 4))) << "2, 3 are withheld";
  ask(pen, Urgency::kVeryLow);
  // Sent before the server had read that.
  EXPECT_THAT(pen.heard(1, {push(6, 12)}), ElementsAre(delivered(3, 6)));
  pen.heard(1, {granted()});
  // Sent before that was on the server's disk.
  EXPECT_THAT(pen.heard(1, {push(8, 13)}), ElementsAre(delivered(4, 8)));
  EXPECT_TRUE(pen.link.memory().withheld);
  // What was withheld, 2, 3, 5, 7 and 9, comes as 11 to 15.
  EXPECT_THAT(pen.heard(1, {after_quiet(10, push(10, 14))}), ElementsAre(delivered(5, 10)));
  EXPECT_FALSE(pen.link.memory().withheld);
  EXPECT_THAT(pen.heard(1, {after_quiet(10, push(11, 15))}), ElementsAre(delivered(6, 11)));
  EXPECT_THAT(pen.heard(1, {push(15, 16)}),
              ElementsAre(Missed{.first = 12, .last = 14, .count = 3}, delivered(7, 15)));
}

mqtt::Connack quiet_connack(std::string urgency) {
  mqtt::Connack connack = our_connack();
  connack.properties.user.emplace_back("urgency", std::move(urgency));
  return connack;
}

TEST(LinkQuiet, IsLearntFromTheServerByALinkThatHasForgotten) {
  Pen pen;
  pen.go_online(quiet_connack("high"));
  EXPECT_EQ(pen.link.memory().lowest, Urgency::kHigh);
  EXPECT_TRUE(pen.link.memory().withheld);
  EXPECT_THAT(pen.heard(1, {push(3, 10)}), ElementsAre(delivered(1, 3), HoldAwake{Why::kOnline}));
  EXPECT_THAT(pen.heard(1, {push(6, 11)}), ElementsAre(delivered(2, 6))) << "4, 5 are withheld";
  EXPECT_THAT(ask(pen, Urgency::kHigh), IsEmpty()) << "it is known";
  Pen next(config(), pen.link.memory());
  next.start();
  next.resolved();
  EXPECT_EQ(said(next.connected(next.attempt)), "high");
}

TEST(LinkQuiet, ThatEndsWithTheConnectOfALinkThatHasForgottenHidesNoMoreThanItsGap) {
  Pen pen;
  ask(pen, Urgency::kVeryLow);
  pen.go_online(quiet_connack("high"));  // until then
  EXPECT_EQ(pen.link.memory().lowest, Urgency::kVeryLow) << "the app's own word counts";
  EXPECT_TRUE(pen.link.memory().withheld);
  EXPECT_THAT(pen.heard(1, {after_quiet(7, push(8, 10))}),
              ElementsAre(delivered(1, 8), HoldAwake{Why::kOnline}));
  EXPECT_FALSE(pen.link.memory().withheld);
  EXPECT_THAT(pen.heard(1, {push(10, 11)}),
              ElementsAre(Missed{.first = 9, .last = 9, .count = 1}, delivered(2, 10)));
}

TEST(LinkQuiet, ThatEndsWithAConnectHidesAllThatWasWithheldBetweenUrgentPushesThatWait) {
  Memory memory;
  memory.epoch = kEpoch;
  memory.accepted_high = 1;
  memory.lowest = Urgency::kHigh;
  memory.withheld = true;
  Pen pen(config(), memory);
  ask(pen, Urgency::kVeryLow);
  pen.go_online(quiet_connack("high"));
  // 3, 5 and 8 were urgent; 2, 4, 6 and 7 were withheld and come as 10 to 13; 9 has expired.
  EXPECT_THAT(
      pen.heard(1, {after_quiet(8, push(3, 10)), after_quiet(8, push(5, 11)),
                    after_quiet(8, push(8, 12))}),
      ElementsAre(delivered(1, 3), delivered(2, 5), delivered(3, 8), HoldAwake{Why::kOnline}));
  EXPECT_THAT(pen.heard(1, {push(10, 13)}),
              ElementsAre(Missed{.first = 9, .last = 9, .count = 1}, delivered(4, 10)));
}

TEST(LinkQuiet, ThatEndedUnheardIsToldByTheNextConnack) {
  Memory memory;
  memory.epoch = kEpoch;
  memory.accepted_high = 1;
  memory.lowest = Urgency::kVeryLow;
  memory.withheld = true;
  Pen pen(config(), memory);
  mqtt::Connack connack = our_connack();
  connack.properties.user.emplace_back("withheld", "4");
  pen.go_online(connack);
  EXPECT_FALSE(pen.link.memory().withheld);
  EXPECT_THAT(pen.heard(1, {push(3, 10), push(6, 11)}),
              ElementsAre(delivered(1, 3), Missed{.first = 5, .last = 5, .count = 1},
                          delivered(2, 6), HoldAwake{Why::kOnline}));
  // Another store's numbers are others.
  pen.failed(1, Why::kPeerClosed);
  pen.deadline();
  pen.come_back(our_connack(kEpoch + 1));
  EXPECT_THAT(pen.heard(2, {push(1, 12), push(3, 13)}),
              ElementsAre(delivered(3, 1), Missed{.first = 2, .last = 2, .count = 1},
                          delivered(4, 3), HoldAwake{Why::kOnline}));
}

TEST(LinkQuiet, HasNoEndForAnAppThatWantsItAgain) {
  Pen pen;
  pen.go_online();
  pen.heard(1, {push(1, 10)});
  ask(pen, Urgency::kHigh);
  pen.heard(1, {granted()});
  ask(pen, Urgency::kVeryLow);
  pen.heard(1, {granted()});
  ask(pen, Urgency::kHigh);
  EXPECT_THAT(pen.heard(1, {after_quiet(2, push(3, 11))}), ElementsAre(delivered(2, 3)));
  EXPECT_TRUE(pen.link.memory().withheld);
  EXPECT_THAT(pen.heard(1, {push(6, 12)}), ElementsAre(delivered(3, 6))) << "4, 5 are withheld";
}

TEST(LinkQuiet, ThatEndsAtANumberThatIsNoneEndsTheLine) {
  mqtt::Publish publish = push(1, 10);
  publish.properties.user.emplace_back("withheld", "x");
  Pen pen;
  pen.go_online();
  pen.heard(1, {publish});
  EXPECT_NE(pen.link.state(), State::kReady);
  mqtt::Connack connack = our_connack();
  connack.properties.user.emplace_back("withheld", "");
  Pen other;
  other.start();
  other.resolved();
  other.connected(1);
  other.heard(1, {connack});
  EXPECT_NE(other.link.state(), State::kReady);
}

TEST(LinkQuiet, InAWordThatIsNoneEndsTheLine) {
  Pen pen;
  pen.start();
  pen.resolved();
  pen.connected(1);
  pen.heard(1, {quiet_connack("quiet")});
  EXPECT_NE(pen.link.state(), State::kReady);
  EXPECT_FALSE(pen.link.memory().withheld);
}

}  // namespace
}  // namespace wakeline::link::test
