// SPDX-License-Identifier: Apache-2.0
#include <tuple>

#include "server_mqtt_conformance.h"

/// §3.8 – §3.11, §4.7: SUBSCRIBE, UNSUBSCRIBE and filters.
namespace wakeline::server {
namespace {

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
TEST_F(MqttConformance, Mqtt_3_8_4_8_APushComesWithTheQosThatWasGrantedAndNoHigherOneThanAsked) {
  for (const Version version : {Version::k311, Version::k5}) {
    for (const auto& [asked, granted, carried] :
         {std::tuple{Qos::kAtMostOnce, Reason::kSuccess, Qos::kAtMostOnce},
          {Qos::kAtLeastOnce, Reason::kGrantedQos1, Qos::kAtLeastOnce},
          {Qos::kExactlyOnce, Reason::kGrantedQos1, Qos::kAtLeastOnce}}) {
      MqttPeer door(Line(server_.ports.mqtt), version);
      auto connect = connect_packet("door", token_);
      connect.version = version;
      ASSERT_TRUE(door.send(connect));
      ASSERT_TRUE(door.expect<mqtt::Connack>());
      ASSERT_TRUE(door.send(mqtt::Subscribe{
          .packet_id = 1, .topics = {{.filter = "wakeline/inbox/door", .qos = asked}}}));
      const auto suback = door.expect<mqtt::Suback>();
      ASSERT_TRUE(suback);
      EXPECT_EQ(suback->reasons, std::vector{granted});
      ASSERT_EQ(push("ring"), 201U);
      const auto publish = door.expect<mqtt::Publish>();
      ASSERT_TRUE(publish);
      EXPECT_EQ(publish->qos, carried);
      EXPECT_FALSE(publish->duplicate);
      if (carried == Qos::kAtLeastOnce) {
        ASSERT_TRUE(door.acknowledge(*publish));
      }
    }
  }
}
TEST_F(MqttConformance, Mqtt_4_3_1_1_ABacklogComesOnceWithQos0AndIsGoneWhenItWasWritten) {
  constexpr int kPushes = 300;  // several windows
  for (int i = 0; i < kPushes; ++i) ASSERT_EQ(push(std::to_string(i)), 201U);
  MqttPeer door = connected();
  ASSERT_TRUE(
      door.send(mqtt::Subscribe{.packet_id = 1, .topics = {{.filter = "wakeline/inbox/door"}}}));
  ASSERT_TRUE(door.expect<mqtt::Suback>());
  for (int i = 0; i < kPushes; ++i) {
    const auto publish = door.expect<mqtt::Publish>();
    ASSERT_TRUE(publish);
    EXPECT_EQ(publish->qos, Qos::kAtMostOnce);
    EXPECT_EQ(base::as_text(publish->payload), R"({"title":")" + std::to_string(i) + "\"}");
  }
  MqttPeer again = connected();
  ASSERT_TRUE(
      again.send(mqtt::Subscribe{.packet_id = 1, .topics = {{.filter = "wakeline/inbox/door"}}}));
  ASSERT_TRUE(again.expect<mqtt::Suback>());
  ASSERT_EQ(push("after"), 201U);
  const auto publish = again.expect<mqtt::Publish>();
  ASSERT_TRUE(publish);
  EXPECT_EQ(base::as_text(publish->payload), R"({"title":"after"})");
}
TEST_F(MqttConformance, Mqtt_3_8_4_3_TheSameFilterAgainIsNotASecondSubscription) {
  MqttPeer door = connected();
  for (std::uint16_t id = 1; id <= 3; ++id) {
    ASSERT_TRUE(
        door.send(mqtt::Subscribe{.packet_id = id, .topics = {{.filter = "wakeline/inbox/door"}}}));
    EXPECT_EQ(door.expect<mqtt::Suback>()->packet_id, id);
  }
  ASSERT_EQ(push("ring"), 201U);
  const auto publish = door.expect<mqtt::Publish>();
  ASSERT_TRUE(publish);
  ASSERT_TRUE(door.send(mqtt::Pingreq{}));
  EXPECT_TRUE(door.expect<mqtt::Pingresp>());  // one copy
  ASSERT_TRUE(door.send(mqtt::Unsubscribe{.packet_id = 4, .filters = {"wakeline/inbox/door"}}));
  EXPECT_EQ(door.expect<mqtt::Unsuback>()->reasons, std::vector{Reason::kSuccess});
}
TEST_F(MqttConformance, Mqtt_3_8_3_4_NoLocalOnASharedSubscriptionIsRefused) {
  EXPECT_EQ(end_of_bytes({0x82, 0x0E, 0, 1, 0, 0, 8, '$', 's', 'h', 'a', 'r', 'e', '/', 'g', 4}),
            Reason::kMalformedPacket);
}
TEST_F(MqttConformance, Mqtt_4_7_1_2_And_4_7_3_1_APlusBesideOthersOrAnEmptyFilterIsMalformed) {
  EXPECT_EQ(end_of_bytes({0x82, 0x08, 0, 1, 0, 0, 2, 'a', '+', 0}), Reason::kMalformedPacket);
  EXPECT_EQ(end_of_bytes({0x82, 0x06, 0, 1, 0, 0, 0, 0}), Reason::kMalformedPacket);
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

TEST_F(MqttConformance, Mqtt_3_10_4_3_WhatWasUnderWayIsDeliveredAfterUnsubscribe) {
  {
    MqttPeer door = peer();
    ASSERT_EQ(door.log_in("door", token_), Reason::kSuccess);
    ASSERT_EQ(push("ring"), 201U);
    ASSERT_TRUE(door.expect<mqtt::Publish>());
    ASSERT_TRUE(door.send(mqtt::Unsubscribe{.packet_id = 5, .filters = {"wakeline/inbox/door"}}));
    EXPECT_TRUE(door.expect<mqtt::Unsuback>());
  }
  MqttPeer door = connected(connect(false));
  const auto again = door.expect<mqtt::Publish>();
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->duplicate);
}

}  // namespace
}  // namespace wakeline::server
