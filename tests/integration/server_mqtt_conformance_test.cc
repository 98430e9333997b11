// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <thread>

#include "server_peers.h"
#include "server_process.h"
#include "wire/push.h"

/// The normative statements of MQTT 5.0 that a server which is no general broker has to keep, each
/// against the real server; a test names those it shows. Statements on what we refuse in CONNACK
/// (QoS 2, retained messages, shared subscriptions, subscription identifiers) are shown by the
/// refusal. Statements on the codec alone are shown in src/wire.
namespace wakeline::server {
namespace {

namespace mqtt = wire::mqtt;
using base::Bytes;
using mqtt::Qos;
using mqtt::Reason;
using mqtt::Version;
using std::chrono::milliseconds;

class MqttConformance : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server_.start());
    token_ = server_.add_device("door");
  }
  Line line() { return Line(server_.ports.mqtt); }
  MqttPeer peer(Version version = Version::k5) { return MqttPeer(line(), version); }
  mqtt::Connect connect(bool clean = true) { return connect_packet("door", token_, clean); }
  /// A device that is connected with this packet.
  MqttPeer connected(const mqtt::Connect& packet) {
    MqttPeer made = peer(packet.version);
    EXPECT_TRUE(made.send(packet));
    const auto answer = made.expect<mqtt::Connack>();
    EXPECT_TRUE(answer && answer->reason == Reason::kSuccess);
    return made;
  }
  MqttPeer connected() { return connected(connect()); }
  /// The reason with which the server ends a connection on which `packet` came.
  std::optional<Reason> end_of(const mqtt::Packet& packet) {
    MqttPeer door = connected();
    EXPECT_TRUE(door.send(packet));
    return end_of(door);
  }
  std::optional<Reason> end_of_bytes(const Bytes& bytes) {
    MqttPeer door = connected();
    EXPECT_TRUE(door.line.send(bytes));
    return end_of(door);
  }
  std::optional<Reason> end_of(MqttPeer& door) {
    const auto disconnect = door.expect<mqtt::Disconnect>();
    EXPECT_TRUE(door.line.ends());
    if (!disconnect) return std::nullopt;
    return disconnect->reason;
  }
  /// Whether the server closes without a word.
  bool ends_silently(const Bytes& bytes) {
    Line raw = line();
    raw.send(bytes);
    Bytes answer;
    return !raw.receive(answer) && raw.ends();
  }
  Bytes bytes_of(const mqtt::Packet& packet, Version version = Version::k5) {
    Bytes bytes;
    EXPECT_TRUE(mqtt::encode(packet, version, bytes));
    return bytes;
  }
  unsigned push(const std::string& title) {
    return HttpPeer(line_http()).push(server_.admin_token(), push_json("door", title)).status;
  }
  Line line_http() { return Line(server_.ports.http); }
  static mqtt::Publish report(std::uint16_t id) {
    return {.topic = "wakeline/reply/door",
            .payload = {'x'},
            .qos = id == 0 ? Qos::kAtMostOnce : Qos::kAtLeastOnce,
            .packet_id = id};
  }

  ServerProcess server_;
  std::string token_;
};

// ---- §1.5, §2.1: data and the fixed header

TEST_F(MqttConformance, Mqtt_1_5_4_1_And_2_TextThatIsNotUtf8OrHoldsNulIsMalformed) {
  for (const std::uint8_t bad : {std::uint8_t{0xFF}, std::uint8_t{0x00}}) {
    EXPECT_EQ(end_of_bytes({0x82, 0x07, 0, 1, 0, 0, 1, bad, 0}), Reason::kMalformedPacket);
  }
}
TEST_F(MqttConformance, Mqtt_1_5_4_3_AByteOrderMarkIsKept) {
  // U+FEFF is a character as any other: the topic is another than without it, and not ours.
  MqttPeer door = connected();
  ASSERT_TRUE(door.send(
      mqtt::Subscribe{.packet_id = 1, .topics = {{.filter = "\xEF\xBB\xBFwakeline/inbox/door"}}}));
  EXPECT_EQ(door.expect<mqtt::Suback>()->reasons, std::vector{Reason::kNotAuthorized});
}
TEST_F(MqttConformance, Mqtt_1_5_5_1_ALengthInALongerFormIsMalformed) {
  EXPECT_EQ(end_of_bytes({0xC0, 0x80, 0x00}), Reason::kMalformedPacket);
}
TEST_F(MqttConformance, Mqtt_2_1_3_1_ReservedFlagsOfTheHeaderAreMalformed) {
  for (const std::uint8_t first : {0x80, 0x83, 0xA0, 0xC8, 0xE1, 0x60, 0xF4})
    EXPECT_EQ(end_of_bytes({first, 0x00}), Reason::kMalformedPacket) << int{first};
}
TEST_F(MqttConformance, Mqtt_2_2_1_2_APacketIdOfZeroIsMalformed) {
  EXPECT_EQ(end_of_bytes({0x82, 0x07, 0, 0, 0, 0, 1, 'a', 0}), Reason::kMalformedPacket);
  EXPECT_EQ(end_of_bytes({0xA2, 0x06, 0, 0, 0, 0, 1, 'a'}), Reason::kMalformedPacket);
  EXPECT_EQ(end_of_bytes({0x32, 0x06, 0, 1, 'a', 0, 0, 0}), Reason::kMalformedPacket);
}
TEST_F(MqttConformance, Mqtt_2_2_1_5_And_6_AnswersCarryTheIdOfTheirPacket) {
  MqttPeer door = connected();
  ASSERT_TRUE(door.send(mqtt::Subscribe{.packet_id = 65'535, .topics = {{.filter = "a"}}}));
  EXPECT_EQ(door.expect<mqtt::Suback>()->packet_id, 65'535);
  ASSERT_TRUE(door.send(mqtt::Unsubscribe{.packet_id = 2, .filters = {"a"}}));
  EXPECT_EQ(door.expect<mqtt::Unsuback>()->packet_id, 2);
  ASSERT_TRUE(door.send(report(77)));
  EXPECT_EQ(door.expect<mqtt::Ack>()->packet_id, 77);
}
TEST_F(MqttConformance, Mqtt_2_2_2_2_APropertyTwiceOrMisplacedIsMalformed) {
  // Payload Format Indicator twice; Receive Maximum in a PUBLISH.
  EXPECT_EQ(end_of_bytes({0x30, 0x08, 0, 1, 'a', 4, 1, 0, 1, 0}), Reason::kMalformedPacket);
  EXPECT_EQ(end_of_bytes({0x30, 0x07, 0, 1, 'a', 3, 0x21, 0, 9}), Reason::kMalformedPacket);
}

// ---- §3.1: CONNECT

TEST_F(MqttConformance, Mqtt_3_1_0_1_TheFirstPacketMustBeConnect) {
  EXPECT_TRUE(ends_silently(bytes_of(mqtt::Pingreq{})));
  EXPECT_TRUE(ends_silently(bytes_of(mqtt::Subscribe{.packet_id = 1, .topics = {{"a"}}})));
}
TEST_F(MqttConformance, Mqtt_3_1_0_2_ASecondConnectIsAProtocolError) {
  EXPECT_EQ(end_of(connect()), Reason::kProtocolError);
}
TEST_F(MqttConformance, Mqtt_3_1_2_1_And_2_AnotherProtocolOrVersionIsNotServed) {
  for (const Bytes& first :
       {Bytes{0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 9, 2, 0, 0, 0, 0},
        Bytes{0x10, 14, 0, 6, 'M', 'Q', 'I', 's', 'd', 'p', 3, 2, 0, 0, 0, 0}}) {
    Line raw = line();
    raw.send(first);
    Bytes answer;
    ASSERT_TRUE(raw.receive(answer));
    EXPECT_EQ(answer, (Bytes{0x20, 2, 0, 1}));
    EXPECT_TRUE(raw.ends());
  }
}
TEST_F(MqttConformance, Mqtt_3_1_2_3_AReservedConnectFlagIsMalformed) {
  EXPECT_TRUE(ends_silently({0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 5, 3, 0, 0, 0, 0, 0}));
}
TEST_F(MqttConformance, Mqtt_3_1_2_4_ACleanStartHasNoSession) {
  {
    MqttPeer door = connected(connect(false));
  }
  MqttPeer door = peer();
  ASSERT_TRUE(door.send(connect(true)));
  EXPECT_FALSE(door.expect<mqtt::Connack>()->session_present);
}
TEST_F(MqttConformance, Mqtt_3_1_2_5_And_6_AKeptSessionIsResumed) {
  {
    MqttPeer door = peer();
    ASSERT_EQ(door.log_in("door", token_), Reason::kSuccess);
  }
  ASSERT_EQ(push("ring"), 201U);
  MqttPeer door = peer();
  ASSERT_TRUE(door.send(connect(false)));
  EXPECT_TRUE(door.expect<mqtt::Connack>()->session_present);
  EXPECT_TRUE(door.expect<mqtt::Publish>());  // the subscription is part of it
}
TEST_F(MqttConformance, Mqtt_3_1_2_9_And_12_WillFlagsWithoutAWillAreMalformed) {
  for (const std::uint8_t flags : {std::uint8_t{0x0A}, std::uint8_t{0x22}, std::uint8_t{0x1E}})
    EXPECT_TRUE(ends_silently({0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 5, flags, 0, 0, 0, 0, 0}));
}
TEST_F(MqttConformance, Mqtt_3_1_2_22_SilenceOfOneAndAHalfKeepAlivesEndsTheConnection) {
  auto packet = connect();
  packet.keep_alive_s = 1;
  MqttPeer door = connected(packet);
  EXPECT_EQ(end_of(door), Reason::kKeepAliveTimeout);
}
TEST_F(MqttConformance, Mqtt_3_1_2_23_ASessionLastsItsExpiryInterval) {
  auto packet = connect(false);
  packet.properties.session_expiry_s = 0;
  {
    MqttPeer door = connected(packet);
  }
  MqttPeer door = peer();
  ASSERT_TRUE(door.send(connect(false)));
  EXPECT_FALSE(door.expect<mqtt::Connack>()->session_present);
}
TEST_F(MqttConformance, Mqtt_3_1_2_24_And_25_NoPacketOverTheMaximumSizeIsSentAndNoneIsLost) {
  auto packet = connect();
  packet.properties.maximum_packet_size = 70;
  packet.properties.user = {{"attempt", "1"}};
  {
    MqttPeer small = connected(packet);
    ASSERT_EQ(push("a title which makes this packet larger than that"), 201U);
    ASSERT_TRUE(small.send(mqtt::Pingreq{}));
    EXPECT_TRUE(small.expect<mqtt::Pingresp>());
  }
  MqttPeer large = peer();
  ASSERT_EQ(large.log_in("door", token_), Reason::kSuccess);
  EXPECT_TRUE(large.expect<mqtt::Publish>());
}
TEST_F(MqttConformance, Mqtt_3_1_2_26_And_27_TopicAliasesStayWithinTheDevicesMaximum) {
  auto packet = connect();
  packet.properties.topic_alias_maximum = 1;
  packet.properties.user = {{"attempt", "1"}};
  MqttPeer door = connected(packet);
  ASSERT_EQ(push("one"), 201U);
  const auto first = door.expect<mqtt::Publish>();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->properties.topic_alias, 1);
  EXPECT_EQ(first->topic, "wakeline/inbox/door");
  ASSERT_EQ(push("two"), 201U);
  const auto second = door.expect<mqtt::Publish>();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->properties.topic_alias, 1);
  EXPECT_EQ(second->topic, "");
  packet.properties.topic_alias_maximum = 0;
  MqttPeer none = connected(packet);
  const auto plain = none.expect<mqtt::Publish>();
  ASSERT_TRUE(plain);
  EXPECT_FALSE(plain->properties.topic_alias);
}
TEST_F(MqttConformance, Mqtt_3_1_2_28_And_29_NobodyGetsResponseInformationOrReasonsUnasked) {
  auto packet = connect();
  packet.properties.request_response_information = 0;
  packet.properties.request_problem_information = 0;
  MqttPeer door = peer();
  ASSERT_TRUE(door.send(packet));
  EXPECT_FALSE(door.expect<mqtt::Connack>()->properties.response_information);
  ASSERT_TRUE(door.send(mqtt::Subscribe{.packet_id = 1, .topics = {{.filter = "a"}}}));
  EXPECT_EQ(door.expect<mqtt::Suback>()->properties, mqtt::Properties{});
}
TEST_F(MqttConformance, Mqtt_3_1_2_30_And_4_12_0_1_AMethodWeDoNotServeIsRefused) {
  auto packet = connect();
  packet.properties.auth_method = "SCRAM-SHA-1";
  MqttPeer door = peer();
  ASSERT_TRUE(door.send(packet));
  EXPECT_EQ(door.expect<mqtt::Connack>()->reason, Reason::kBadAuthMethod);
  EXPECT_TRUE(door.line.ends());
}
TEST_F(MqttConformance, Mqtt_3_1_3_6_And_7_AnEmptyClientIdGetsTheDevicesName) {
  auto packet = connect();
  packet.client_id.clear();
  MqttPeer door = peer();
  ASSERT_TRUE(door.send(packet));
  EXPECT_EQ(door.expect<mqtt::Connack>()->properties.assigned_client_id, "door");
}
TEST_F(MqttConformance, Mqtt_3_1_3_8_AClientIdThatIsNotTheDevicesIsRefused) {
  auto packet = connect();
  packet.client_id = "window";
  MqttPeer door = peer();
  ASSERT_TRUE(door.send(packet));
  EXPECT_EQ(door.expect<mqtt::Connack>()->reason, Reason::kClientIdNotValid);
  EXPECT_TRUE(door.line.ends());
}
TEST_F(MqttConformance, Mqtt_3_1_4_3_TheOlderConnectionOfADeviceIsToldAndClosed) {
  MqttPeer first = connected();
  MqttPeer second = connected();
  EXPECT_EQ(end_of(first), Reason::kSessionTakenOver);
  ASSERT_TRUE(second.send(mqtt::Pingreq{}));
  EXPECT_TRUE(second.expect<mqtt::Pingresp>());
}

TEST_F(MqttConformance, Mqtt_3_1_4_6_NothingBehindARefusedConnectIsServed) {
  auto wrong = connect();
  wrong.password = Bytes{'?'};
  Bytes bytes = bytes_of(wrong);
  for (const mqtt::Packet& more :
       {mqtt::Packet(report(5)), mqtt::Packet(connect()), mqtt::Packet(mqtt::Pingreq{})})
    ASSERT_TRUE(mqtt::encode(more, Version::k5, bytes));
  MqttPeer door = peer();
  ASSERT_TRUE(door.line.send(bytes));
  EXPECT_EQ(door.expect<mqtt::Connack>()->reason, Reason::kBadCredentials);
  EXPECT_FALSE(door.receive());
  EXPECT_TRUE(door.line.ends());
  const auto reports =
      HttpPeer(line_http())
          .ask(request_text("GET", "/v1/reports", "Bearer " + server_.admin_token(), ""));
  EXPECT_EQ(reports.body, "{\"reports\":[]}\n");
}

// ---- §3.2: CONNACK

TEST_F(MqttConformance, Mqtt_3_2_0_1_And_2_ConnackIsTheFirstPacketAndComesOnce) {
  MqttPeer door = peer();
  ASSERT_TRUE(door.send(connect()));
  ASSERT_TRUE(door.expect<mqtt::Connack>());
  ASSERT_TRUE(door.send(mqtt::Pingreq{}));
  EXPECT_TRUE(door.expect<mqtt::Pingresp>());
}
TEST_F(MqttConformance, Mqtt_3_2_2_6_And_7_ARefusalSaysNoSessionAndCloses) {
  MqttPeer door = peer();
  auto packet = connect();
  packet.password = Bytes{'?'};
  ASSERT_TRUE(door.send(packet));
  const auto answer = door.expect<mqtt::Connack>();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->reason, Reason::kBadCredentials);
  EXPECT_FALSE(answer->session_present);
  EXPECT_TRUE(door.line.ends());
}
TEST_F(MqttConformance, Mqtt_3_2_2_9_And_11_And_12_WhatConnackRulesOutIsRefused) {
  MqttPeer door = peer();
  ASSERT_TRUE(door.send(connect()));
  const auto& told = door.expect<mqtt::Connack>()->properties;
  EXPECT_EQ(told.maximum_qos, 1);
  EXPECT_EQ(told.retain_available, 0);
  EXPECT_EQ(told.shared_available, 0);
  EXPECT_EQ(told.subscription_ids_available, 0);
  auto exact = report(1);
  exact.qos = Qos::kExactlyOnce;
  EXPECT_EQ(end_of(exact), Reason::kQosNotSupported);
  auto retained = report(0);
  retained.retain = true;
  EXPECT_EQ(end_of(retained), Reason::kRetainNotSupported);
  EXPECT_EQ(end_of(mqtt::Subscribe{.packet_id = 1, .topics = {{.filter = "$share/g/a"}}}),
            Reason::kSharedNotSupported);
  mqtt::Subscribe numbered{.packet_id = 1, .topics = {{.filter = "a"}}};
  numbered.properties.subscription_id = 4;
  EXPECT_EQ(end_of(numbered), Reason::kSubscriptionIdsNotSupported);
}
TEST_F(MqttConformance, Mqtt_3_2_2_12_And_13_AWillThatConnackRulesOutIsRefused) {
  auto exact = connect();
  exact.will = mqtt::Will{.topic = "wakeline/presence/door", .qos = Qos::kExactlyOnce};
  auto retained = connect();
  retained.will = mqtt::Will{.topic = "wakeline/presence/door", .retain = true};
  auto foreign = connect();
  foreign.will = mqtt::Will{.topic = "wakeline/presence/window"};
  const std::pair<mqtt::Connect, Reason> rows[] = {{exact, Reason::kQosNotSupported},
                                                   {retained, Reason::kRetainNotSupported},
                                                   {foreign, Reason::kNotAuthorized}};
  for (const auto& [packet, reason] : rows) {
    MqttPeer door = peer();
    ASSERT_TRUE(door.send(packet));
    EXPECT_EQ(door.expect<mqtt::Connack>()->reason, reason);
    EXPECT_TRUE(door.line.ends());
  }
}
TEST_F(MqttConformance, Mqtt_3_2_2_21_TheServersKeepAliveIsTold) {
  auto packet = connect();
  packet.keep_alive_s = 0;
  MqttPeer door = peer();
  ASSERT_TRUE(door.send(packet));
  EXPECT_EQ(door.expect<mqtt::Connack>()->properties.server_keep_alive_s, 3'600);
}

// ---- §3.3, §3.4: PUBLISH and PUBACK

TEST_F(MqttConformance, Mqtt_3_3_1_2_DupWithQosZeroIsMalformed) {
  EXPECT_EQ(end_of_bytes({0x38, 0x04, 0, 1, 'a', 0}), Reason::kMalformedPacket);
}
TEST_F(MqttConformance, Mqtt_3_3_1_4_AQosOfThreeIsMalformed) {
  EXPECT_EQ(end_of_bytes({0x36, 0x06, 0, 1, 'a', 0, 1, 0}), Reason::kMalformedPacket);
}
TEST_F(MqttConformance, Mqtt_3_3_2_2_AWildcardInATopicNameIsMalformed) {
  EXPECT_EQ(end_of_bytes({0x30, 0x04, 0, 1, '#', 0}), Reason::kMalformedPacket);
}
TEST_F(MqttConformance, Mqtt_3_3_2_8_And_9_ATopicAliasOutsideOurMaximumIsRefused) {
  for (const std::uint16_t alias : {std::uint16_t{5}, std::uint16_t{65'535}}) {
    auto aliased = report(0);
    aliased.properties.topic_alias = alias;
    EXPECT_EQ(end_of(aliased), Reason::kTopicAliasInvalid);
  }
}
TEST_F(MqttConformance, Mqtt_3_3_2_12_ATopicAliasIsOfOneConnection) {
  auto set = report(1);
  set.properties.topic_alias = 1;
  auto use = report(2);
  use.topic.clear();
  use.properties.topic_alias = 1;
  MqttPeer door = connected();
  ASSERT_TRUE(door.send(set));
  ASSERT_TRUE(door.send(use));
  EXPECT_EQ(door.expect<mqtt::Ack>()->reason, Reason::kSuccess);
  EXPECT_EQ(door.expect<mqtt::Ack>()->reason, Reason::kSuccess);
  MqttPeer next = connected(connect(false));
  ASSERT_TRUE(next.send(use));
  EXPECT_EQ(end_of(next), Reason::kProtocolError);
}
TEST_F(MqttConformance, Mqtt_3_3_2_6_TheExpiryOfAPushHasCountedDownWhileItWaited) {
  const auto answer =
      HttpPeer(line_http())
          .push(server_.admin_token(), R"({"device":"door","title":"ring","ttl_s":60})");
  ASSERT_EQ(answer.status, 201U);
  std::this_thread::sleep_for(milliseconds(1'100));  // the time is what is measured
  auto packet = connect();
  packet.properties.user = {{"attempt", "1"}};
  MqttPeer door = connected(packet);
  const auto publish = door.expect<mqtt::Publish>();
  ASSERT_TRUE(publish);
  EXPECT_GT(publish->properties.message_expiry_s, 20U);
  EXPECT_LE(publish->properties.message_expiry_s, 59U);
}
TEST_F(MqttConformance, Mqtt_3_3_4_1_APublishOfQosOneIsAnsweredByPuback) {
  MqttPeer door = connected();
  ASSERT_TRUE(door.send(report(4)));
  EXPECT_EQ(door.expect<mqtt::Ack>(), (mqtt::Ack{.packet_id = 4}));
}
TEST_F(MqttConformance, Mqtt_3_3_4_7_And_9_TheDevicesReceiveMaximumIsKept) {
  auto packet = connect();
  packet.properties.receive_maximum = 2;
  packet.properties.user = {{"attempt", "1"}};
  MqttPeer door = connected(packet);
  for (int i = 0; i < 4; ++i) ASSERT_EQ(push(std::to_string(i)), 201U);
  const auto first = door.expect<mqtt::Publish>();
  ASSERT_TRUE(first && door.expect<mqtt::Publish>());
  ASSERT_TRUE(door.send(mqtt::Pingreq{}));
  EXPECT_TRUE(door.expect<mqtt::Pingresp>());  // and no third push before it
  ASSERT_TRUE(door.acknowledge(*first));
  EXPECT_TRUE(door.expect<mqtt::Publish>());
}
TEST_F(MqttConformance, Mqtt_3_3_5_2_WhatADeviceMayNotPublishIsRefusedNotIgnored) {
  MqttPeer door = connected();
  auto other = report(4);
  other.topic = "wakeline/inbox/window";
  ASSERT_TRUE(door.send(other));
  EXPECT_EQ(door.expect<mqtt::Ack>()->reason, Reason::kNotAuthorized);
  EXPECT_EQ(end_of(mqtt::Publish{.topic = "a"}), Reason::kNotAuthorized);
}

// ---- §3.8 – §3.11: SUBSCRIBE and UNSUBSCRIBE

TEST_F(MqttConformance, Mqtt_3_8_3_2_ASubscribeWithoutAFilterIsMalformed) {
  EXPECT_EQ(end_of_bytes({0x82, 0x03, 0, 1, 0}), Reason::kMalformedPacket);
}
TEST_F(MqttConformance, Mqtt_3_8_3_5_ReservedSubscriptionOptionsAreMalformed) {
  EXPECT_EQ(end_of_bytes({0x82, 0x07, 0, 1, 0, 0, 1, 'a', 0x40}), Reason::kMalformedPacket);
  EXPECT_EQ(end_of_bytes({0x82, 0x07, 0, 1, 0, 0, 1, 'a', 0x03}), Reason::kMalformedPacket);
}
TEST_F(MqttConformance, Mqtt_3_8_4_1_To_7_EveryFilterIsAnsweredInOrder) {
  MqttPeer door = connected();
  ASSERT_TRUE(door.send(
      mqtt::Subscribe{.packet_id = 7,
                      .topics = {{.filter = "a"},
                                 {.filter = "wakeline/inbox/door", .qos = Qos::kExactlyOnce},
                                 {.filter = "wakeline/group/family"},
                                 {.filter = "wakeline/#"}}}));
  const auto suback = door.expect<mqtt::Suback>();
  ASSERT_TRUE(suback);
  EXPECT_EQ(suback->reasons, (std::vector{Reason::kNotAuthorized, Reason::kGrantedQos1,
                                          Reason::kNotAuthorized, Reason::kNotAuthorized}));
}
TEST_F(MqttConformance, Mqtt_3_10_3_2_AnUnsubscribeWithoutAFilterIsMalformed) {
  EXPECT_EQ(end_of_bytes({0xA2, 0x03, 0, 1, 0}), Reason::kMalformedPacket);
}
TEST_F(MqttConformance, Mqtt_3_10_4_1_To_6_UnsubscribeStopsTheFlowAndSaysWhatThereWas) {
  MqttPeer door = peer();
  ASSERT_EQ(door.log_in("door", token_), Reason::kSuccess);
  ASSERT_TRUE(
      door.send(mqtt::Unsubscribe{.packet_id = 5, .filters = {"a", "wakeline/inbox/door"}}));
  EXPECT_EQ(door.expect<mqtt::Unsuback>()->reasons,
            (std::vector{Reason::kNoSubscriptionExisted, Reason::kSuccess}));
  ASSERT_EQ(push("ring"), 201U);
  ASSERT_TRUE(door.send(mqtt::Pingreq{}));
  EXPECT_TRUE(door.expect<mqtt::Pingresp>());
}

// ---- §3.12 – §3.15, §4: the rest

TEST_F(MqttConformance, Mqtt_3_12_4_1_APingIsAnswered) {
  MqttPeer door = connected();
  ASSERT_TRUE(door.send(mqtt::Pingreq{}));
  EXPECT_TRUE(door.expect<mqtt::Pingresp>());
}
TEST_F(MqttConformance, Mqtt_3_14_1_1_ReservedBitsOfDisconnectAreMalformed) {
  EXPECT_EQ(end_of_bytes({0xE2, 0x00}), Reason::kMalformedPacket);
}
TEST_F(MqttConformance, Mqtt_3_14_4_1_And_3_DisconnectEndsTheConnectionWithoutAnAnswer) {
  MqttPeer door = connected();
  ASSERT_TRUE(door.send(mqtt::Disconnect{}));
  EXPECT_FALSE(door.receive());
  EXPECT_TRUE(door.line.ends());
}
TEST_F(MqttConformance, Mqtt_3_14_2_2_ASessionWithoutExpiryCannotGetOneAtItsEnd) {
  auto packet = connect();
  packet.properties.session_expiry_s = 0;
  MqttPeer door = connected(packet);
  mqtt::Disconnect last;
  last.properties.session_expiry_s = 60;
  ASSERT_TRUE(door.send(last));
  EXPECT_EQ(end_of(door), Reason::kProtocolError);
}
TEST_F(MqttConformance, Mqtt_4_4_0_1_And_2_WhatIsUnacknowledgedComesAgainUnderItsIdAndMarked) {
  std::uint16_t id = 0;
  {
    MqttPeer door = peer();
    ASSERT_EQ(door.log_in("door", token_), Reason::kSuccess);
    ASSERT_EQ(push("ring"), 201U);
    const auto publish = door.expect<mqtt::Publish>();
    ASSERT_TRUE(publish);
    EXPECT_FALSE(publish->duplicate);
    id = publish->packet_id;
    ASSERT_TRUE(door.send(mqtt::Pingreq{}));
    EXPECT_TRUE(door.expect<mqtt::Pingresp>());  // not again on the same connection
  }
  MqttPeer door = connected(connect(false));
  const auto again = door.expect<mqtt::Publish>();
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->duplicate);
  EXPECT_EQ(again->packet_id, id);
}
TEST_F(MqttConformance, Mqtt_4_6_0_5_PushesOfOneDeviceComeInOrder) {
  for (int i = 0; i < 20; ++i) ASSERT_EQ(push(std::to_string(i)), 201U);
  MqttPeer door = peer();
  ASSERT_EQ(door.log_in("door", token_), Reason::kSuccess);
  for (int i = 0; i < 20; ++i) {
    const auto publish = door.expect<mqtt::Publish>();
    ASSERT_TRUE(publish);
    EXPECT_EQ(wire::decode_push_content(publish->payload)->title, std::to_string(i));
    ASSERT_TRUE(door.acknowledge(*publish));
  }
}
TEST_F(MqttConformance, Mqtt_4_7_1_1_AWildcardOutOfItsPlaceIsMalformed) {
  EXPECT_EQ(end_of_bytes({0x82, 0x09, 0, 1, 0, 0, 3, 'a', '#', 'b', 0}), Reason::kMalformedPacket);
}
TEST_F(MqttConformance, Mqtt_4_13_1_1_AndTooMuchAtATimeIsToldItsReason) {
  EXPECT_EQ(end_of_bytes({0x30, 0xFF, 0xFF, 0x7F}), Reason::kPacketTooLarge);
  MqttPeer door = connected();
  Bytes many;
  for (std::uint16_t id = 1; id <= 200; ++id)
    ASSERT_TRUE(mqtt::encode(report(id), Version::k5, many));
  ASSERT_TRUE(door.line.send(many));
  std::optional<Reason> reason;
  while (const auto packet = door.receive()) {
    if (const auto* last = std::get_if<mqtt::Disconnect>(&*packet)) reason = last->reason;
  }
  EXPECT_EQ(reason, Reason::kReceiveMaximumExceeded);
}

// ---- MQTT 3.1.1, by its own numbers

TEST_F(MqttConformance, Version311_3_1_2_24_And_3_1_3_8_And_3_8_4) {
  auto anonymous = connect(false);
  anonymous.version = Version::k311;
  anonymous.properties = {};
  anonymous.client_id.clear();
  MqttPeer refused = peer(Version::k311);
  ASSERT_TRUE(refused.send(anonymous));
  EXPECT_EQ(refused.expect<mqtt::Connack>()->reason, Reason::kClientIdNotValid);
  EXPECT_TRUE(refused.line.ends());
  auto packet = anonymous;
  packet.client_id = "door";
  packet.keep_alive_s = 1;
  MqttPeer door = connected(packet);
  ASSERT_TRUE(door.send(mqtt::Subscribe{
      .packet_id = 7, .topics = {{.filter = "wakeline/inbox/door"}, {.filter = "a"}}}));
  EXPECT_EQ(door.expect<mqtt::Suback>()->reasons,
            (std::vector{Reason::kGrantedQos1, Reason::kUnspecified}));
  EXPECT_TRUE(door.line.ends());
}

}  // namespace
}  // namespace wakeline::server
