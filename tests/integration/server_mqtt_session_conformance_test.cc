// SPDX-License-Identifier: Apache-2.0
#include "server_mqtt_conformance.h"
#include "wire/push.h"

/// §3.12 – §3.15, §4: the rest, and MQTT 3.1.1 by its own numbers.
namespace wakeline::server {
namespace {

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
TEST_F(MqttConformance, Mqtt_3_15_1_1_And_4_12_AuthWithoutAMethodIsAProtocolError) {
  EXPECT_EQ(end_of(mqtt::Auth{}), Reason::kProtocolError);
  EXPECT_EQ(end_of_bytes({0xF2, 0x00}), Reason::kMalformedPacket);
}
TEST_F(MqttConformance, Mqtt_4_9_0_3_OtherPacketsAreServedWhileTheWindowIsFull) {
  auto packet = connect();
  packet.properties.receive_maximum = 1;
  packet.properties.user = {{"attempt", "1"}};
  MqttPeer door = connected(packet);
  ASSERT_EQ(push("one"), 201U);
  ASSERT_EQ(push("two"), 201U);
  ASSERT_TRUE(door.expect<mqtt::Publish>());
  ASSERT_TRUE(door.send(report(3)));
  EXPECT_EQ(door.expect<mqtt::Ack>(), (mqtt::Ack{.packet_id = 3}));
  ASSERT_TRUE(door.send(mqtt::Subscribe{.packet_id = 4, .topics = {{.filter = "a"}}}));
  EXPECT_TRUE(door.expect<mqtt::Suback>());
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
TEST_F(MqttConformance, Mqtt_4_4_0_1_WhatWentOutWithQosOneStaysWithIt) {
  std::uint16_t id = 0;
  {
    MqttPeer door = peer();
    ASSERT_EQ(door.log_in("door", token_), Reason::kSuccess);
    ASSERT_EQ(push("ring"), 201U);
    id = door.expect<mqtt::Publish>().value_or(mqtt::Publish{}).packet_id;
    ASSERT_NE(id, 0);
    ASSERT_TRUE(door.send(mqtt::Subscribe{
        .packet_id = 4, .topics = {{.filter = "wakeline/inbox/door", .qos = Qos::kAtMostOnce}}}));
    ASSERT_TRUE(door.expect<mqtt::Suback>());
  }
  for (int i = 0; i < 2; ++i) {  // unacknowledged, it comes each time
    MqttPeer door = connected(connect(false));
    const auto again = door.expect<mqtt::Publish>();
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->duplicate);
    EXPECT_EQ(again->qos, Qos::kAtLeastOnce);
    EXPECT_EQ(again->packet_id, id);
  }
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
      .packet_id = 7,
      .topics = {{.filter = "wakeline/inbox/door", .qos = Qos::kAtLeastOnce}, {.filter = "a"}}}));
  EXPECT_EQ(door.expect<mqtt::Suback>()->reasons,
            (std::vector{Reason::kGrantedQos1, Reason::kUnspecified}));
  EXPECT_TRUE(door.line.ends());
}

}  // namespace
}  // namespace wakeline::server
