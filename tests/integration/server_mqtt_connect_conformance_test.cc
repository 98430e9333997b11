// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include "server_mqtt_conformance.h"

/// §3.1, §3.2: CONNECT and CONNACK.
namespace wakeline::server {
namespace {

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
TEST_F(MqttConformance, Mqtt_3_1_2_8_And_10_TheWillIsSaidWhenTheDeviceGoesWithoutAWord) {
  auto packet = connect();
  packet.will = mqtt::Will{.topic = "wakeline/presence/door", .payload = {'g'}};
  {
    MqttPeer orderly = connected(packet);
    ASSERT_TRUE(orderly.send(mqtt::Disconnect{}));
    ASSERT_TRUE(orderly.line.ends());
  }
  EXPECT_EQ(reports(), 0U);
  {
    MqttPeer gone = connected(packet);
  }
  EXPECT_TRUE(comes_true([&] { return reports() == 1; }));
}
TEST_F(MqttConformance, Mqtt_3_1_3_9_AWillThatWaitsIsNotSaidWhenTheDeviceIsBack) {
  auto packet = connect(false);
  packet.will = mqtt::Will{.topic = "wakeline/presence/door", .payload = {'g'}};
  packet.will->properties.will_delay_s = 1;
  {
    MqttPeer gone = connected(packet);
  }
  packet.will.reset();
  MqttPeer back = connected(packet);
  std::this_thread::sleep_for(milliseconds(1'500));  // longer than the delay
  EXPECT_EQ(reports(), 0U);
}
TEST_F(MqttConformance, Mqtt_3_1_3_5_AClientIdOf23LettersAndDigitsIsServed) {
  const std::string name = "abcdefghijklmnopqrst123";
  MqttPeer door = peer();
  EXPECT_EQ(door.log_in(name, server_.add_device(name)), Reason::kSuccess);
}
TEST_F(MqttConformance, Mqtt_3_1_3_4_And_12_NamesThatAreNotUtf8AreMalformed) {
  EXPECT_TRUE(ends_silently({0x10, 14, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 0, 0, 0, 1, 0xFF}));
  EXPECT_TRUE(
      ends_silently({0x10, 16, 0, 4, 'M', 'Q', 'T', 'T', 5, 0x82, 0, 0, 0, 0, 0, 0, 1, 0xFF}));
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
TEST_F(MqttConformance, Mqtt_3_1_2_24_WhatNeverFitsIsRefusedWithTheLargestWordThatDoes) {
  auto packet = connect();
  packet.properties.maximum_packet_size = 16;  // our CONNACK is larger
  MqttPeer tiny = peer();
  ASSERT_TRUE(tiny.send(packet));
  Bytes answer;
  ASSERT_TRUE(tiny.line.receive(answer));
  EXPECT_EQ(answer, (Bytes{0x20, 3, 0, 0x95, 0}));
  EXPECT_TRUE(tiny.line.ends());
  packet.properties.maximum_packet_size = 4;  // not even that
  EXPECT_TRUE(ends_silently(bytes_of(packet)));
  packet.properties.maximum_packet_size = 64;
  MqttPeer small = connected(packet);
  mqtt::Subscribe many{.packet_id = 1, .topics = {}};
  for (int i = 0; i < 64; ++i) many.topics.push_back({.filter = "a"});
  ASSERT_TRUE(small.send(many));
  EXPECT_EQ(end_of(small), Reason::kPacketTooLarge);
}
TEST_F(MqttConformance, Mqtt_3_2_2_19_ASmallDeviceGetsNoReasonString) {
  auto packet = connect();
  packet.client_id = "window";
  packet.properties.maximum_packet_size = 30;
  MqttPeer door = peer();
  ASSERT_TRUE(door.send(packet));
  const auto refused = door.expect<mqtt::Connack>();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->reason, Reason::kClientIdNotValid);
  EXPECT_FALSE(refused->properties.reason_string);
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

TEST_F(MqttConformance, Mqtt_3_1_4_3_ARefusedConnectEndsNoOtherConnection) {
  MqttPeer first = connected();
  auto other_name = connect();
  other_name.client_id = "window";
  auto other_will = connect();
  other_will.will = mqtt::Will{.topic = "x/y"};
  auto method = connect();
  method.properties.auth_method = "SCRAM-SHA-1";
  auto older = other_name;
  older.version = Version::k311;
  older.properties = {};
  for (const mqtt::Connect& packet : {other_name, other_will, method, older}) {
    MqttPeer second = peer(packet.version);
    ASSERT_TRUE(second.send(packet));
    const auto answer = second.expect<mqtt::Connack>();
    ASSERT_TRUE(answer);
    EXPECT_GE(answer->reason, packet.version == Version::k5 ? Reason::kUnspecified : Reason{1});
    EXPECT_TRUE(second.line.ends());
    ASSERT_TRUE(first.send(mqtt::Pingreq{}));
    EXPECT_TRUE(first.expect<mqtt::Pingresp>());
  }
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

}  // namespace
}  // namespace wakeline::server
