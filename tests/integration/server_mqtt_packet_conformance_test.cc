// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "server_mqtt_conformance.h"

/// §1.5, §2: data and the fixed header.
namespace wakeline::server {
namespace {

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

TEST_F(MqttConformance, Mqtt_1_5_7_1_AUserPropertyThatIsNotUtf8IsMalformed) {
  EXPECT_EQ(end_of_bytes({0x30, 0x0C, 0, 1, 'a', 7, 0x26, 0, 1, 0xFF, 0, 1, 'v', 'x'}),
            Reason::kMalformedPacket);
}
TEST_F(MqttConformance, Mqtt_2_2_1_4_And_4_3_2_1_EachPushUnderWayHasAnIdOfItsOwn) {
  auto packet = connect();
  packet.properties.user = {{"attempt", "1"}};
  MqttPeer door = connected(packet);
  std::set<std::uint16_t> ids;
  for (int i = 0; i < 8; ++i) {
    ASSERT_EQ(push(std::to_string(i)), 201U);
    const auto publish = door.expect<mqtt::Publish>();
    ASSERT_TRUE(publish);
    EXPECT_EQ(publish->qos, Qos::kAtLeastOnce);
    EXPECT_FALSE(publish->duplicate);
    ids.insert(publish->packet_id);
  }
  EXPECT_EQ(ids.size(), 8U);
  EXPECT_FALSE(ids.contains(0));
}
TEST_F(MqttConformance, Mqtt_2_2_2_1_APacketWithoutPropertiesSaysSo) {
  MqttPeer door = connected();
  ASSERT_TRUE(door.send(mqtt::Subscribe{.packet_id = 258, .topics = {{.filter = "a"}}}));
  Bytes answer;
  ASSERT_TRUE(door.line.receive(answer));
  EXPECT_EQ(answer, (Bytes{0x90, 4, 1, 2, 0, 0x87}));
}

}  // namespace
}  // namespace wakeline::server
