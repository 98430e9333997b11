// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include "server/admin_access.h"
#include "server_mqtt_conformance.h"
#include "wire/push.h"

/// §3.3 – §3.7: PUBLISH and its answers.
namespace wakeline::server {
namespace {

TEST_F(MqttConformance, Mqtt_3_3_1_2_DupWithQosZeroIsMalformed) {
  EXPECT_EQ(end_of_bytes({0x38, 0x04, 0, 1, 'a', 0}), Reason::kMalformedPacket);
}
TEST_F(MqttConformance, Mqtt_3_3_1_4_AQosOfThreeIsMalformed) {
  EXPECT_EQ(end_of_bytes({0x36, 0x06, 0, 1, 'a', 0, 1, 0}), Reason::kMalformedPacket);
}
TEST_F(MqttConformance, Mqtt_3_3_2_2_AWildcardInATopicNameIsMalformed) {
  EXPECT_EQ(end_of_bytes({0x30, 0x04, 0, 1, '#', 0}), Reason::kMalformedPacket);
}
TEST_F(MqttConformance, Mqtt_3_3_2_3_APushComesUnderATopicThatTheDeviceSubscribedTo) {
  for (const char* group : {"family", "staff"}) {
    ASSERT_TRUE(permit_group(server_.folder(), "door", group, true));
    ASSERT_TRUE(join(server_.folder(), "door", {store::MemberKind::kGroup, group}));
  }
  MqttPeer door = connected(connect(false));
  const auto ask = [&](const std::string& filter) {
    ASSERT_TRUE(door.send(
        mqtt::Subscribe{.packet_id = 1, .topics = {{.filter = filter, .qos = Qos::kAtLeastOnce}}}));
    EXPECT_EQ(door.expect<mqtt::Suback>()->reasons, std::vector{Reason::kGrantedQos1});
  };
  const auto comes = [&](const std::string& title, const std::string& topic) {
    const auto publish = door.expect<mqtt::Publish>();
    ASSERT_TRUE(publish) << title;
    EXPECT_EQ(publish->topic, topic);
    EXPECT_EQ(wire::decode_push_content(publish->payload)->title, title);
    EXPECT_TRUE(door.acknowledge(*publish));
  };
  // Two wait when it subscribes to a group alone, and one comes later: none is for that group.
  ASSERT_EQ(push("1"), 201U);
  ASSERT_EQ(push_to_group("staff", "2"), 201U);
  ask("wakeline/group/family");
  ASSERT_EQ(push("3"), 201U);
  ASSERT_EQ(push_to_group("family", "4"), 201U);
  comes("4", "wakeline/group/family");
  ASSERT_TRUE(door.send(mqtt::Pingreq{}));
  EXPECT_TRUE(door.expect<mqtt::Pingresp>());  // and nothing before it
  ask("wakeline/group/staff");
  comes("2", "wakeline/group/staff");
  ask("wakeline/inbox/door");
  comes("1", "wakeline/inbox/door");
  comes("3", "wakeline/inbox/door");
}
TEST_F(MqttConformance, Mqtt_3_3_1_12_And_3_3_2_4_APushIsNotRetainedAndSaysThatItIsText) {
  auto packet = connect();
  packet.properties.user = {{"attempt", "1"}};
  MqttPeer door = connected(packet);
  ASSERT_EQ(push("ring"), 201U);
  const auto publish = door.expect<mqtt::Publish>();
  ASSERT_TRUE(publish);
  EXPECT_FALSE(publish->retain);
  EXPECT_EQ(publish->properties.payload_format, 1);
  EXPECT_FALSE(publish->properties.subscription_id);
}
TEST_F(MqttConformance, Mqtt_3_3_2_14_AWildcardInAResponseTopicIsMalformed) {
  EXPECT_EQ(end_of_bytes({0x30, 0x08, 0, 1, 'a', 4, 0x08, 0, 1, '#'}), Reason::kMalformedPacket);
}
TEST_F(MqttConformance, Mqtt_3_3_2_16_And_20_CorrelationDataAndContentTypeArePassedOnUnaltered) {
  auto said = report(1);
  said.properties.correlation_data = Bytes{0, 1, 0xFF};
  said.properties.content_type = "text/x-ring; q=1";
  MqttPeer door = connected();
  ASSERT_TRUE(door.send(said));
  ASSERT_TRUE(door.expect<mqtt::Ack>());
  const std::string listed = reports_text();
  EXPECT_NE(listed.find("\"content_type\":\"text/x-ring; q=1\""), std::string::npos) << listed;
  EXPECT_NE(listed.find("\"AAH_\""), std::string::npos) << listed;
}
TEST_F(MqttConformance, Mqtt_3_3_4_6_ASubscriptionIdentifierFromADeviceIsAProtocolError) {
  EXPECT_EQ(end_of_bytes({0x30, 0x06, 0, 1, 'a', 2, 0x0B, 1}), Reason::kProtocolError);
}
TEST_F(MqttConformance, Mqtt_4_3_1_1_APublishOfQosZeroIsTakenAndNotAnswered) {
  MqttPeer door = connected();
  ASSERT_TRUE(door.send(report(0)));
  ASSERT_TRUE(door.send(mqtt::Pingreq{}));
  EXPECT_TRUE(door.expect<mqtt::Pingresp>());
  EXPECT_TRUE(comes_true([&] { return reports() == 1; }));
}
TEST_F(MqttConformance, Mqtt_4_3_2_5_AfterPubackTheSameIdIsANewMessage) {
  MqttPeer door = connected();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(door.send(report(9)));
    EXPECT_EQ(door.expect<mqtt::Ack>(), (mqtt::Ack{.packet_id = 9}));
  }
  EXPECT_EQ(reports(), 2U);
}
TEST_F(MqttConformance, Mqtt_4_3_3_AnswersToQosTwoOfAnotherServersSessionAreToldThatThereIsNone) {
  MqttPeer door = connected();
  ASSERT_TRUE(door.send(mqtt::Ack{.kind = mqtt::AckKind::kPubrel, .packet_id = 5}));
  EXPECT_EQ(door.expect<mqtt::Ack>(), (mqtt::Ack{.kind = mqtt::AckKind::kPubcomp,
                                                 .packet_id = 5,
                                                 .reason = Reason::kPacketIdNotFound}));
  ASSERT_TRUE(door.send(mqtt::Ack{.kind = mqtt::AckKind::kPubrec, .packet_id = 6}));
  EXPECT_EQ(door.expect<mqtt::Ack>(), (mqtt::Ack{.kind = mqtt::AckKind::kPubrel,
                                                 .packet_id = 6,
                                                 .reason = Reason::kPacketIdNotFound}));
  EXPECT_EQ(end_of(mqtt::Ack{.kind = mqtt::AckKind::kPubcomp, .packet_id = 7}),
            Reason::kProtocolError);
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

}  // namespace
}  // namespace wakeline::server
