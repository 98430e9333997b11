// SPDX-License-Identifier: Apache-2.0
#include "core/link/link.h"

#include "core/link/link_testing.h"

namespace wakeline::link::test {
namespace {

Memory reserved(Memory memory = {}) {
  memory.attempts = 1'024;
  return memory;
}

TEST(Link, ResolvesThenConnectsThenSaysWhoItIs) {
  Pen pen;
  EXPECT_THAT(pen.start(), ElementsAre(Report{State::kConnecting, Why::kStarted, {}, ""},
                                       Resolve{1, "push.example", 8883}, HoldAwake{Why::kStarted}));
  EXPECT_THAT(pen.resolved(),
              ElementsAre(Persist{1, reserved()}, Connect{{1}, kAddress, 8883, seconds(240)}));
  mqtt::Connect hello;
  hello.clean_start = false;
  hello.keep_alive_s = 600;
  hello.client_id = "door";
  hello.user_name = "door";
  hello.password = config().token;
  hello.properties.session_expiry_s = 0xFFFF'FFFF;
  hello.properties.receive_maximum = 64;
  hello.properties.maximum_packet_size = mqtt::kPacketMax;
  hello.properties.user = {{"attempt", "1"}};
  EXPECT_THAT(pen.connected(1), ElementsAre(wrote(1, {hello})));
}

TEST(Link, IsReadyWithOurServersAnswerAndRemembersWhatItSaid) {
  Pen pen;
  pen.start();
  pen.resolved();
  pen.persisted();
  pen.connected(1);
  auto connack = our_connack();
  connack.properties.user.emplace_back("spread", "5000");
  Memory memory = reserved();
  memory.epoch = kEpoch;
  memory.spread = seconds(5);
  EXPECT_THAT(pen.heard(1, {connack}),
              ElementsAre(Persist{2, memory}, Report{State::kReady, Why::kOnline, {}, ""}));
  EXPECT_THAT(pen.persisted(), ElementsAre(LetGo{}));
  EXPECT_EQ(pen.link.live(), AttemptId{1});
  EXPECT_EQ(pen.link.next_deadline(), base::kNever) << "nothing runs while the app sleeps";
}

TEST(Link, SubscribesAtAPlainBrokerOnceInASession) {
  Pen pen;
  pen.start();
  pen.resolved();
  pen.persisted();
  pen.connected(1);
  mqtt::Connack resumed;
  resumed.session_present = true;  // of an earlier run, that may have died before its SUBSCRIBE
  mqtt::Subscribe subscribe;
  subscribe.packet_id = 1;
  subscribe.topics.push_back(
      {.filter = "wakeline/inbox/door", .qos = mqtt::Qos::kAtLeastOnce, .retain_handling = 1});
  EXPECT_THAT(pen.heard(1, {resumed}), ElementsAre(wrote(1, {subscribe})));
  EXPECT_EQ(pen.link.state(), State::kConnecting);
  EXPECT_THAT(pen.heard(1, {granted()}),
              ElementsAre(Report{State::kReady, Why::kOnline, {}, ""}, LetGo{}));
  pen.pass(seconds(60));
  pen.failed(1, Why::kPeerClosed);
  pen.deadline();
  pen.resolved();
  pen.connected(2);
  EXPECT_THAT(pen.heard(2, {resumed}),
              ElementsAre(Report{State::kReady, Why::kOnline, {}, ""}, LetGo{}));
}

TEST(Link, BacksOffFromABrokerThatRefusesTheInbox) {
  Pen pen;
  pen.start();
  pen.resolved();
  pen.connected(1);
  pen.heard(1, {mqtt::Connack{}});
  const mqtt::Suback no{
      .packet_id = 1, .reasons = {mqtt::Reason::kNotAuthorized}, .properties = {}};
  const auto did = pen.heard(1, {no});
  EXPECT_THAT(did,
              ElementsAre(wrote(1, {mqtt::Disconnect{}}), Close{{1}},
                          Report{State::kWaiting, Why::kRefused, pen.link.next_deadline(), ""}));
}

TEST(Link, NamesWhatItHasReceivedAndInWhichEpoch) {
  Memory memory;
  memory.epoch = kEpoch;
  memory.accepted_high = 9;
  memory.unaccepted = {7};
  memory.attempts = 2'048;
  Pen pen(config(), memory);
  pen.start();
  pen.resolved();
  const auto did = pen.connected(2'049);
  const auto* write = std::get_if<Write>(&did.at(0));
  ASSERT_NE(write, nullptr);
  const auto decoded = mqtt::decode(write->bytes, mqtt::Version::k5);
  const auto& user = std::get<mqtt::Connect>(decoded->packet).properties.user;
  using Pair = std::pair<std::string, std::string>;
  EXPECT_THAT(user,
              ElementsAre(Pair("attempt", "2049"), Pair("epoch", "e1"), Pair("received", "6")));
}

/// Of a client that speaks, and which the server takes for one that came late.
mqtt::Connack outdated(const std::string& online) {
  mqtt::Connack refusal{.reason = mqtt::Reason::kImplementationSpecific};
  refusal.properties.user = {{"attempt", online}};
  return refusal;
}

TEST(Link, WithAMemoryOlderThanItsLineCountsOnFromThatLine) {
  Memory memory;
  memory.epoch = kEpoch;
  memory.attempts = 1'024;
  Pen pen(config(), memory);
  pen.start();
  pen.resolved();
  pen.persisted();
  EXPECT_EQ(pen.attempt, 1'025U);
  pen.connected(pen.attempt);
  const auto did = pen.heard(pen.attempt, {outdated("5000")});
  EXPECT_THAT(did, testing::Contains(Action(
                       Report{State::kWaiting, Why::kRefused, pen.link.next_deadline(), ""})));
  EXPECT_EQ(pen.link.memory().attempts, 5'000U);
  pen.persisted();
  pen.deadline();
  EXPECT_EQ(pen.attempt, 5'001U);
  EXPECT_EQ(pen.link.memory().attempts, 5'000U + 1'024U) << "over the next restart too";
}

TEST(Link, TakesNoCountThatIsNone) {
  for (const char* online : {"", "-1", "x", "3", "18446744073709551615"}) {
    Memory memory;
    memory.attempts = 1'024;
    Pen pen(config(), memory);
    pen.start();
    pen.resolved();
    pen.connected(pen.attempt);
    pen.heard(pen.attempt, {outdated(online)});
    EXPECT_EQ(pen.link.memory().attempts, 2'048U) << online;
    EXPECT_EQ(pen.link.state(), State::kWaiting);
  }
}

// --- pushes

TEST(Link, AcknowledgesAPushOnlyWhenItsAcceptanceIsDurable) {
  Pen pen;
  pen.go_online();
  EXPECT_THAT(pen.heard(1, {push(1, 10)}), ElementsAre(delivered(1, 1), HoldAwake{Why::kOnline}));
  Memory memory = pen.memory();
  memory.accepted_high = 1;
  EXPECT_THAT(pen.accepted(1), ElementsAre(Persist{3, memory}));
  EXPECT_THAT(pen.persisted(), ElementsAre(wrote(1, {puback(10)}), LetGo{}));
}

TEST(Link, GathersAcceptancesWhileTheDiskIsBusy) {
  Pen pen;
  pen.go_online();
  pen.heard(1, {push(1, 10), push(2, 11), push(3, 12)});
  pen.accepted(1);
  EXPECT_THAT(pen.accepted(3), IsEmpty());
  EXPECT_THAT(pen.accepted(2), IsEmpty());
  Memory memory = pen.memory();
  EXPECT_EQ(memory.accepted_high, 3U);
  EXPECT_THAT(pen.persisted(), ElementsAre(wrote(1, {puback(10)}), Persist{4, memory}));
  EXPECT_THAT(pen.persisted(), ElementsAre(wrote(1, {puback(11), puback(12)}), LetGo{}));
}

TEST(Link, DoesNotDeliverAgainWhatTheAppStillHolds) {
  Pen pen;
  pen.go_online();
  pen.heard(1, {push(1, 10)});
  pen.pass(seconds(60));
  pen.failed(1, Why::kPeerClosed);
  pen.deadline();
  pen.come_back();
  EXPECT_THAT(pen.heard(2, {push(1, 20, true)}), IsEmpty());
  pen.accepted(1);
  EXPECT_THAT(pen.persisted(), ElementsAre(wrote(2, {puback(20)}), LetGo{}));
}

TEST(Link, OnlyAcknowledgesAgainWhatWasAcceptedBefore) {
  Memory memory = reserved();
  memory.epoch = kEpoch;
  memory.accepted_high = 4;
  memory.unaccepted = {2};
  Pen pen(config(), memory);
  pen.go_online();
  const auto id = pen.attempt;
  EXPECT_THAT(pen.heard(id, {push(2, 5, true), push(4, 6, true), push(5, 7)}),
              ElementsAre(delivered(1, 2, true), wrote(id, {puback(6)}), delivered(2, 5),
                          HoldAwake{Why::kOnline}));
}

TEST(Link, CountsAnewWithANewEpoch) {
  Memory memory = reserved();
  memory.epoch = 0xAA;
  memory.accepted_high = 100;
  Pen pen(config(), memory);
  pen.go_online();
  EXPECT_EQ(pen.link.memory().epoch, kEpoch);
  EXPECT_THAT(pen.heard(pen.attempt, {push(1, 1)}),
              ElementsAre(delivered(1, 1), HoldAwake{Why::kOnline}));
}

TEST(Link, TreatsAPlainBrokersPushesAtLeastOnce) {
  Pen pen;
  pen.start();
  pen.resolved();
  pen.persisted();
  pen.connected(1);
  pen.heard(1, {mqtt::Connack{}, granted()});
  EXPECT_THAT(pen.heard(1, {push(0, 3)}), ElementsAre(delivered(1, 0), HoldAwake{Why::kOnline}));
  pen.pass(seconds(60));
  pen.failed(1, Why::kPeerClosed);
  pen.deadline();
  pen.resolved();
  pen.connected(2);
  mqtt::Connack resumed;
  resumed.session_present = true;
  pen.heard(2, {resumed});
  EXPECT_THAT(pen.heard(2, {push(0, 3, true)}), IsEmpty()) << "the app holds it";
  EXPECT_THAT(pen.accepted(1), ElementsAre(wrote(2, {puback(3)}), LetGo{}));
  // The acknowledgement may have been lost with a line; the id is free once it was not.
  EXPECT_THAT(pen.heard(2, {push(0, 3, true)}), ElementsAre(wrote(2, {puback(3)})));
  EXPECT_THAT(pen.heard(2, {push(0, 3)}), ElementsAre(delivered(2, 0), HoldAwake{Why::kOnline}));
}

TEST(Link, TakesAPushWithMoreUserPropertiesThanItKeeps) {
  Pen pen;
  pen.go_online(mqtt::Connack{});
  // As a plain broker passes it on: QoS 0, topic "a", 17 properties of 7 bytes, no payload.
  std::string hex = "307b00016177";
  for (std::size_t i = 0; i <= mqtt::kUserPropertiesMax; ++i) hex += "26000161000162";
  const base::Bytes bytes = *base::from_hex(hex);
  const auto actions = pen.did([&](Actions& out) {
    EXPECT_EQ(pen.link.on_bytes(pen.now, {pen.attempt}, bytes, out), bytes.size());
  });
  ASSERT_FALSE(actions.empty());
  EXPECT_TRUE(std::holds_alternative<Deliver>(actions.front()));
}

TEST(Link, ReadsAPushThatComesByteForByte) {
  Pen pen;
  pen.go_online();
  base::Bytes bytes;
  ASSERT_TRUE(mqtt::encode(push(1, 10), mqtt::Version::k5, bytes));
  std::vector<Action> all;
  for (const std::uint8_t byte : bytes) {
    const auto some = pen.did([&](Actions& out) {
      EXPECT_EQ(pen.link.on_bytes(pen.now, {1}, base::BytesView(&byte, 1), out), 1U);
    });
    all.insert(all.end(), some.begin(), some.end());
  }
  EXPECT_THAT(all, ElementsAre(delivered(1, 1), HoldAwake{Why::kOnline}));
}

TEST(Link, TakesAFloodInPortions) {
  Pen pen;
  pen.go_online();
  base::Bytes bytes;
  mqtt::Publish small;
  small.topic = "t";
  for (int i = 0; i < 2'000; ++i) ASSERT_TRUE(mqtt::encode(small, mqtt::Version::k5, bytes));
  base::BytesView rest = bytes;
  std::size_t delivered_count = 0;
  while (!rest.empty()) {
    std::size_t taken = 0;
    delivered_count +=
        pen.did([&](Actions& out) { taken = pen.link.on_bytes(pen.now, {1}, rest, out); }).size();
    ASSERT_GT(taken, 0U);
    rest = rest.subspan(taken);
  }
  EXPECT_EQ(delivered_count, 2'000U);
}

TEST(Link, ClosesAServerThatBreaksTheProtocol) {
  const std::vector<std::pair<mqtt::Packet, mqtt::Reason>> wrong = {
      {mqtt::Pingreq{}, mqtt::Reason::kProtocolError},
      {our_connack(), mqtt::Reason::kProtocolError},
      {puback(1), mqtt::Reason::kProtocolError},
  };
  for (const auto& [packet, reason] : wrong) {
    Pen pen;
    pen.go_online();
    pen.pass(seconds(60));
    const auto did = pen.heard(1, {packet});
    EXPECT_THAT(
        did,
        ElementsAre(wrote(1, {mqtt::Disconnect{.reason = reason, .properties = {}}}), Close{{1}},
                    Report{State::kWaiting, Why::kProtocolError, pen.link.next_deadline(), ""},
                    HoldAwake{Why::kProtocolError}));
  }
}

TEST(Link, ClosesAServerThatGoesBackInItsNumbers) {
  Pen pen;
  pen.go_online();
  pen.heard(1, {push(5, 1)});
  const auto did = pen.heard(1, {push(4, 2)});
  const mqtt::Disconnect bye{.reason = mqtt::Reason::kProtocolError, .properties = {}};
  ASSERT_GE(did.size(), 2U);
  EXPECT_EQ(did[0], wrote(1, {bye}));
  EXPECT_EQ(did[1], Action(Close{{1}}));
}

TEST(Link, ClosesAServerThatSendsMoreThanItsWindow) {
  Pen pen;
  pen.go_online();
  for (std::uint16_t i = 1; i <= kUnacceptedMax; ++i) pen.heard(1, {push(i, i)});
  EXPECT_EQ(pen.link.state(), State::kReady);
  const auto did = pen.heard(1, {push(kUnacceptedMax + 1, 100)});
  const mqtt::Disconnect bye{.reason = mqtt::Reason::kReceiveMaximumExceeded, .properties = {}};
  ASSERT_FALSE(did.empty());
  EXPECT_EQ(did[0], wrote(1, {bye}));
}

TEST(Link, ClosesOnMalformedBytes) {
  Pen pen;
  pen.go_online();
  const base::Bytes garbage = {0x00, 0x00, 0x01};
  const auto did = pen.did([&](Actions& out) {
    EXPECT_EQ(pen.link.on_bytes(pen.now, {1}, garbage, out), garbage.size());
  });
  ASSERT_GE(did.size(), 2U);
  EXPECT_EQ(did[1], Action(Close{{1}}));
  EXPECT_EQ(pen.link.state(), State::kWaiting);
}

TEST(Link, FollowsNoRedirectAndASecondOneWaitsLonger) {
  for (const auto reason : {mqtt::Reason::kUseAnotherServer, static_cast<mqtt::Reason>(0x9D)}) {
    Pen pen;
    pen.start();
    Duration longest{};
    for (int round = 0; round < 12; ++round) {
      if (!pen.started) pen.resolved();
      pen.connected(pen.attempt);
      mqtt::Connack elsewhere{.reason = reason, .properties = {}};
      elsewhere.properties.server_reference = "elsewhere.example:1";
      pen.heard(pen.attempt, {elsewhere});
      ASSERT_EQ(pen.link.state(), State::kWaiting);
      EXPECT_GT(pen.waits(), seconds(0));
      longest = std::max(longest, pen.waits());
      // The token goes to the server that the app named, to nobody else.
      const auto again = pen.deadline();
      EXPECT_THAT(again, testing::Contains(Action(Resolve{pen.generation, "push.example", 8'883})));
    }
    EXPECT_GT(longest, minutes(5));
  }
}

TEST(Link, StopsWithGoodbyeAndStartsAgain) {
  Pen pen;
  pen.go_online();
  EXPECT_THAT(pen.did([&](Actions& out) { pen.link.stop(pen.now, out); }),
              ElementsAre(wrote(1, {mqtt::Disconnect{}}), Close{{1}},
                          Report{State::kStopped, Why::kStoppedByApp, {}, ""}));
  EXPECT_EQ(pen.link.next_deadline(), base::kNever);
  EXPECT_THAT(pen.woken(), IsEmpty());
  EXPECT_THAT(pen.start(),
              ElementsAre(Report{State::kConnecting, Why::kStarted, {}, ""},
                          Resolve{2, "push.example", 8883},
                          Connect{{2}, kAddress, 8883, seconds(240)}, HoldAwake{Why::kStarted}));
}

TEST(Link, DropsResultsOfOlderAttempts) {
  Pen pen;
  pen.go_online();
  pen.pass(seconds(60));
  pen.failed(1, Why::kPeerClosed);
  const Link before = pen.link;
  EXPECT_THAT(pen.failed(1, Why::kPeerClosed), IsEmpty());
  EXPECT_THAT(pen.connected(1), IsEmpty());
  EXPECT_THAT(pen.heard(1, {push(1, 1)}), IsEmpty());
  EXPECT_THAT(pen.did([&](Actions& out) {
    pen.link.on_resolved(pen.now, 1, {kAddress}, out);
    pen.link.on_resolve_failed(pen.now, 1, out);
    pen.link.on_persisted(pen.now, 1, out);
  }),
              IsEmpty());
  EXPECT_EQ(pen.link, before);
}

TEST(LinkConfig, IsCheckedBeforeALinkIsMade) {
  EXPECT_TRUE(check(config()));
  Config c = config();
  c.host.clear();
  EXPECT_EQ(check(c).error(), (base::Error{base::ErrorCode::kInvalidArgument, "link.host"}));
  c = config();
  c.device = "../door";
  EXPECT_EQ(check(c).error(), (base::Error{base::ErrorCode::kInvalidArgument, "link.device"}));
  c = config();
  c.token.assign(kTokenMax + 1, 'x');
  EXPECT_EQ(check(c).error(), (base::Error{base::ErrorCode::kTooLarge, "link.token"}));
  c = config();
  c.keep_alive = seconds(70'000);
  EXPECT_EQ(check(c).error(), (base::Error{base::ErrorCode::kInvalidArgument, "link.keep_alive"}));
}

}  // namespace
}  // namespace wakeline::link::test
