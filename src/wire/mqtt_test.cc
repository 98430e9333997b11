// SPDX-License-Identifier: Apache-2.0
#include "wire/mqtt.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "wire/mqtt_testing.h"

namespace wakeline::wire::mqtt {

// GoogleTest's way to print values of ours.
void PrintTo(const Packet& packet, std::ostream* out) { *out << to_line(packet); }

namespace {

using base::Bytes;
using base::ErrorCode;

struct Vector {
  const char* what;
  Version version;
  std::string bytes;
  Packet packet;
};

Properties with_reason(std::string text) {
  Properties properties;
  properties.reason_string = std::move(text);
  return properties;
}

Connect full_connect() {
  Connect connect;
  connect.clean_start = false;
  connect.keep_alive_s = 600;
  connect.client_id = "ab";
  connect.user_name = "u";
  connect.password = Bytes{1, 0, 2};
  connect.properties.session_expiry_s = 10;
  connect.properties.user = {{"k", "v"}};
  Will will;
  will.topic = "w";
  will.payload = {9};
  will.qos = Qos::kAtLeastOnce;
  will.retain = true;
  will.properties.will_delay_s = 5;
  connect.will = will;
  return connect;
}

Connack limited_connack() {
  Connack connack;
  connack.reason = Reason::kServerBusy;
  connack.properties.server_keep_alive_s = 600;
  connack.properties.maximum_qos = 1;
  connack.properties.assigned_client_id = "x";
  connack.properties.receive_maximum = 20;
  return connack;
}

Publish push() {
  Publish publish;
  publish.topic = "a/b";
  publish.payload = {'h', 'i'};
  publish.qos = Qos::kAtLeastOnce;
  publish.packet_id = 10;
  return publish;
}

Publish expiring_push() {
  Publish publish = push();
  publish.duplicate = true;
  publish.properties.message_expiry_s = 60;
  publish.properties.user = {{"seq", "7"}};
  return publish;
}

Publish aliased() {
  Publish publish;
  publish.retain = true;
  publish.properties.topic_alias = 1;
  return publish;
}

Connect plain_connect(Version version) {
  Connect connect;
  connect.version = version;
  connect.keep_alive_s = 60;
  connect.client_id = "c";
  return connect;
}

// Each is the one shortest encoding of its packet. Written out by hand from the tables of the two
// standards; the section is that of 5.0.
std::vector<Vector> vectors() {
  const auto k311 = Version::k311;
  const auto k5 = Version::k5;
  const TopicRequest watched{"a/#", Qos::kAtLeastOnce, true, true, 2};
  return {
      {"CONNECT 3.1.1 §3.1", k311, "10 0d 0004 4d515454 04 02 003c 0001 63", plain_connect(k311)},
      {"CONNECT 5 §3.1", k5, "10 0e 0004 4d515454 05 02 003c 00 0001 63", plain_connect(k5)},
      {"CONNECT with everything", k5,
       "10 2f 0004 4d515454 05 ec 0258"
       " 0c 11 0000000a 26 0001 6b 0001 76"
       " 0002 6162"
       " 05 18 00000005 0001 77 0001 09"
       " 0001 75 0003 010002",
       full_connect()},
      {"CONNACK 3.1.1 §3.2", k311, "20 02 01 00", Connack{true, Reason::kSuccess, {}}},
      {"CONNACK 3.1.1 refused", k311, "20 02 00 05", Connack{false, Reason::kNotAuthorized, {}}},
      {"CONNACK 5", k5, "20 03 00 87 00", Connack{false, Reason::kNotAuthorized, {}}},
      {"CONNACK 5 with limits", k5, "20 0f 00 89 0c 12 0001 78 13 0258 21 0014 24 01",
       limited_connack()},
      {"PUBLISH 3.1.1 §3.3", k311, "32 09 0003 612f62 000a 6869", push()},
      {"PUBLISH 5 §3.3", k5, "32 0a 0003 612f62 000a 00 6869", push()},
      {"PUBLISH 5 again, with its sequence", k5,
       "3a 18 0003 612f62 000a 0e 02 0000003c 26 0003 736571 0001 37 6869", expiring_push()},
      {"PUBLISH 5 by alias", k5, "31 06 0000 03 23 0001", aliased()},
      {"PUBACK 3.1.1 §3.4", k311, "40 02 1234", Ack{AckKind::kPuback, 0x1234, {}, {}}},
      {"PUBACK 5, shortest", k5, "40 02 1234", Ack{AckKind::kPuback, 0x1234, {}, {}}},
      {"PUBACK 5 with a reason", k5, "40 03 0001 10",
       Ack{AckKind::kPuback, 1, Reason::kNoMatchingSubscribers, {}}},
      {"PUBREC 5 with a text §3.5", k5, "50 08 0001 83 04 1f 0001 6e",
       Ack{AckKind::kPubrec, 1, Reason::kImplementationSpecific, with_reason("n")}},
      {"PUBREL §3.6", k311, "62 02 0001", Ack{AckKind::kPubrel, 1, {}, {}}},
      {"PUBCOMP 5 §3.7", k5, "70 03 0001 92",
       Ack{AckKind::kPubcomp, 1, Reason::kPacketIdNotFound, {}}},
      {"SUBSCRIBE 3.1.1 §3.8", k311, "82 0a 000a 0001 61 01 0001 62 02",
       Subscribe{10, {{"a", Qos::kAtLeastOnce}, {"b", Qos::kExactlyOnce}}, {}}},
      {"SUBSCRIBE 5 with options", k5, "82 09 000a 00 0003 612f23 2d",
       Subscribe{10, {watched}, {}}},
      {"SUBACK 3.1.1 §3.9", k311, "90 04 000a 01 80",
       Suback{10, {Reason{1}, Reason::kUnspecified}, {}}},
      {"SUBACK 5", k5, "90 05 000a 00 02 87", Suback{10, {Reason{2}, Reason::kNotAuthorized}, {}}},
      {"UNSUBSCRIBE 3.1.1 §3.10", k311, "a2 05 000a 0001 61", Unsubscribe{10, {"a"}, {}}},
      {"UNSUBSCRIBE 5", k5, "a2 09 000a 00 0001 61 0001 62", Unsubscribe{10, {"a", "b"}, {}}},
      {"UNSUBACK 3.1.1 §3.11", k311, "b0 02 000a", Unsuback{10, {}, {}}},
      {"UNSUBACK 5", k5, "b0 04 000a 00 11", Unsuback{10, {Reason{0x11}}, {}}},
      {"PINGREQ §3.12", k5, "c0 00", Pingreq{}},
      {"PINGRESP §3.13", k311, "d0 00", Pingresp{}},
      {"DISCONNECT 3.1.1 §3.14", k311, "e0 00", Disconnect{}},
      {"DISCONNECT 5, shortest", k5, "e0 00", Disconnect{}},
      {"DISCONNECT 5 with a reason", k5, "e0 01 8e", Disconnect{Reason::kSessionTakenOver, {}}},
      {"DISCONNECT 5 with a text", k5, "e0 06 98 04 1f 0001 6e",
       Disconnect{Reason::kAdministrativeAction, with_reason("n")}},
      {"AUTH, shortest §3.15", k5, "f0 00", Auth{}},
      {"AUTH with a reason", k5, "f0 02 18 00", Auth{Reason{0x18}, {}}},
  };
}

TEST(Mqtt, ReadsEachPacketOfTheStandards) {
  for (const Vector& vector : vectors()) {
    SCOPED_TRACE(vector.what);
    const Bytes bytes = hex(vector.bytes);
    const auto decoded = decode(bytes, vector.version);
    ASSERT_TRUE(decoded) << base::to_string(decoded.error());
    EXPECT_EQ(decoded->consumed, bytes.size());
    EXPECT_EQ(decoded->packet, vector.packet);
  }
}

TEST(Mqtt, WritesEachPacketOfTheStandards) {
  for (const Vector& vector : vectors()) {
    SCOPED_TRACE(vector.what);
    Bytes out = {0xAA};
    ASSERT_TRUE(encode(vector.packet, vector.version, out));
    EXPECT_EQ(base::to_hex(out), base::to_hex(hex("aa" + vector.bytes)));
  }
}

TEST(Mqtt, AsksForMoreUntilAPacketIsWhole) {
  for (const Vector& vector : vectors()) {
    SCOPED_TRACE(vector.what);
    const Bytes bytes = hex(vector.bytes);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const auto decoded = decode(base::BytesView(bytes).first(size), vector.version);
      ASSERT_TRUE(decoded);
      EXPECT_EQ(decoded->consumed, 0U);
    }
  }
}

TEST(Mqtt, LeavesWhatFollowsAPacketAlone) {
  const auto decoded = decode(hex("c000 e000"), Version::k5);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->consumed, 2U);
  EXPECT_EQ(decoded->packet, Packet(Pingreq{}));
}

TEST(Mqtt, TellsATooLongPacketFromItsHeaderAlone) {
  EXPECT_EQ(decode(hex("30 ffff03"), Version::k5).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(decode(hex("10 ff1f"), Version::k5, kConnectMax).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(decode(hex("10 fd1f"), Version::k5, kConnectMax)->consumed, 0U) << "4,096 B in all";
}

struct Bad {
  const char* what;
  Version version;
  const char* bytes;
  ErrorCode error = ErrorCode::kMalformed;
};

TEST(Mqtt, RefusesEachMalformedPacket) {
  const auto k311 = Version::k311;
  const auto k5 = Version::k5;
  const Bad table[] = {
      {"type 0", k5, "00 00"},
      {"type 15 in 3.1.1", k311, "f0 00"},
      {"flags of CONNECT", k5, "11 00"},
      {"flags of SUBSCRIBE", k5, "80 06 0001 00 0000 00"},
      {"flags of PUBREL", k5, "60 02 0001"},
      {"flags of PINGREQ", k5, "c1 00"},
      {"a length of five bytes", k5, "30 ffffffff 01"},
      {"a length in a longer form, 5", k5, "c0 8000"},
      {"PINGREQ with a body", k5, "c0 01 00"},
      {"PINGRESP with a body", k5, "d0 01 00"},
      // CONNECT
      {"an empty CONNECT", k5, "10 00"},
      {"a cut protocol name", k5, "10 04 0004 4d51"},
      {"MQIsdp", k311, "10 0e 0006 4d5149736470 03 02 003c 0000", ErrorCode::kUnsupported},
      {"level 6", k5, "10 0d 0004 4d515454 06 02 003c 00 0000", ErrorCode::kUnsupported},
      {"level 3 under the new name", k5, "10 0c 0004 4d515454 03 02 003c 0000",
       ErrorCode::kUnsupported},
      {"reserved connect flag", k5, "10 0d 0004 4d515454 05 03 003c 00 0000"},
      {"will QoS without a will", k5, "10 0d 0004 4d515454 05 0a 003c 00 0000"},
      {"will retain without a will", k5, "10 0d 0004 4d515454 05 22 003c 00 0000"},
      {"will QoS 3", k5, "10 13 0004 4d515454 05 1e 003c 00 0000 00 0001 77 0000"},
      {"a will for a wildcard", k5, "10 13 0004 4d515454 05 06 003c 00 0000 00 0001 23 0000"},
      {"3.1.1: a password without a user", k311, "10 0f 0004 4d515454 04 42 003c 0000 0001 78"},
      {"bytes after the CONNECT", k5, "10 0e 0004 4d515454 05 02 003c 00 0000 00"},
      {"a CONNECT without its client id", k5, "10 0b 0004 4d515454 05 02 003c 00"},
      // CONNACK
      {"reserved acknowledge flag", k5, "20 03 02 00 00"},
      {"a session with a refusal", k5, "20 03 01 87 00"},
      {"3.1.1: return code 6", k311, "20 02 00 06"},
      {"3.1.1: properties", k311, "20 03 00 00 00"},
      {"5: no property length", k5, "20 02 00 00"},
      // PUBLISH
      {"QoS 3", k5, "36 08 0001 61 0001 00 6869"},
      {"DUP with QoS 0", k5, "38 04 0001 61 00"},
      {"packet id 0", k5, "32 06 0001 61 0000 00"},
      {"an empty topic", k311, "30 02 0000"},
      {"an empty topic without alias", k5, "30 03 0000 00"},
      {"a topic with a wildcard", k5, "30 04 0001 2b 00"},
      {"a topic with U+0000", k5, "30 05 0002 6100 00"},
      {"a topic that is not UTF-8", k5, "30 04 0001 ff 00"},
      {"a topic with a surrogate", k5, "30 06 0003 eda080 00"},
      {"a topic past the end", k5, "30 03 0004 61"},
      {"properties past the end", k5, "30 04 0001 61 05"},
      {"a property length of five bytes", k5, "30 08 0001 61 ffffffff01"},
      {"a property length in a longer form", k5, "30 05 0001 61 8000"},
      // Acknowledgements
      {"PUBACK without id", k5, "40 00"},
      {"PUBACK of id 0", k5, "40 02 0000"},
      {"3.1.1: PUBACK with a reason", k311, "40 03 0001 00"},
      {"PUBACK with a cut property", k5, "40 05 0001 00 02 1f"},
      // SUBSCRIBE and its kin
      {"SUBSCRIBE of nothing", k5, "82 03 0001 00"},
      {"SUBSCRIBE of id 0", k311, "82 06 0000 0001 61 00"},
      {"SUBSCRIBE with QoS 3", k5, "82 07 0001 00 0001 61 03"},
      {"SUBSCRIBE with retain handling 3", k5, "82 07 0001 00 0001 61 30"},
      {"SUBSCRIBE with reserved options", k5, "82 07 0001 00 0001 61 40"},
      {"3.1.1: SUBSCRIBE with options of 5", k311, "82 06 0001 0001 61 04"},
      {"SUBSCRIBE of a bad filter", k5, "82 08 0001 00 0002 6123 00"},
      {"SUBSCRIBE without options", k5, "82 06 0001 00 0001 61"},
      {"No Local on a shared subscription", k5, "82 0f 0001 00 0009 2473686172652f672f 04"},
      {"a share without filter", k5, "82 0e 0001 00 0008 2473686172652f67 00"},
      {"a share without name", k5, "82 0f 0001 00 0009 2473686172652f2f61 00"},
      {"SUBACK of nothing", k5, "90 03 0001 00"},
      {"SUBACK with QoS 3", k5, "90 04 0001 00 03"},
      {"3.1.1: SUBACK with a reason of 5", k311, "90 03 0001 87"},
      {"UNSUBSCRIBE of nothing", k5, "a2 03 0001 00"},
      {"UNSUBACK of nothing", k5, "b0 03 0001 00"},
      {"3.1.1: UNSUBACK with reasons", k311, "b0 03 0001 00"},
      {"3.1.1: DISCONNECT with a reason", k311, "e0 01 00"},
      {"AUTH with a reason and no properties", k5, "f0 01 18"},
      {"AUTH with data but no method", k5, "f0 06 18 04 16 0001 61"},
      // Properties
      {"an unknown property", k5, "e0 04 00 02 7f 01"},
      {"property 0", k5, "e0 04 00 02 00 01"},
      {"a property twice", k5, "e0 0c 00 0a 11 00000001 11 00000001"},
      {"a misplaced property", k5, "e0 05 00 03 13 0001"},
      {"maximum QoS 2", k5, "20 05 00 00 02 24 02"},
      {"receive maximum 0", k5, "20 06 00 00 03 21 0000"},
      {"maximum packet size 0", k5, "20 08 00 00 05 27 00000000"},
      {"topic alias 0", k5, "30 07 0001 61 03 23 0000"},
      {"subscription id 0", k5, "30 06 0001 61 02 0b 00"},
      {"payload format 2", k5, "30 06 0001 61 02 01 02"},
      {"a response topic with a wildcard", k5, "30 08 0001 61 04 08 0001 23"},
      {"a property that ends after its block", k5, "30 06 0001 61 01 01 01"},
  };
  for (const Bad& bad : table) {
    SCOPED_TRACE(bad.what);
    const auto decoded = decode(hex(bad.bytes), bad.version);
    if (decoded) {
      ADD_FAILURE() << "consumed " << decoded->consumed << ": " << to_line(decoded->packet);
    } else {
      EXPECT_EQ(base::name(decoded.error().code), base::name(bad.error));
    }
  }
}

TEST(Mqtt, NamesThePacketInAnError) {
  EXPECT_EQ(base::to_string(decode(hex("40 02 0000"), Version::k5).error()),
            "mqtt.puback: the data breaks its format");
}

TEST(Mqtt, TakesALengthInALongerFormFrom311Only) {
  EXPECT_EQ(decode(hex("c0 8000"), Version::k311)->consumed, 3U);
  const std::string connect = "0004 4d515454 04 02 003c 0001 63";
  EXPECT_TRUE(decode(hex("10 8d00" + connect), Version::k5)) << "a CONNECT goes by its own version";
}

TEST(Mqtt, BoundsTheListsOfAPacket) {
  Subscribe subscribe{1, std::vector<TopicRequest>(kTopicsMax, TopicRequest{"a"}), {}};
  Bytes out;
  ASSERT_TRUE(encode(subscribe, Version::k311, out));
  EXPECT_EQ(decode(out, Version::k311)->packet, Packet(subscribe));
  // One more entry of four bytes: the length grows from 0x402 to 0x406.
  ASSERT_EQ(base::to_hex(out).substr(0, 6), "828208");
  out[1] = 0x86;
  for (const std::uint8_t byte : {0x00, 0x01, 0x61, 0x00}) out.push_back(byte);
  EXPECT_EQ(decode(out, Version::k311).error().code, ErrorCode::kUnsupported);
  subscribe.topics.push_back({"a"});
  EXPECT_EQ(encode(subscribe, Version::k311, out).error().code, ErrorCode::kInvalidArgument);
}

TEST(Mqtt, BoundsTheUserProperties) {
  Disconnect disconnect;
  disconnect.properties.user.resize(kUserPropertiesMax, {"a", "b"});
  Bytes out;
  ASSERT_TRUE(encode(disconnect, Version::k5, out));
  EXPECT_EQ(decode(out, Version::k5)->packet, Packet(disconnect));
  disconnect.properties.user.emplace_back("a", "b");
  EXPECT_EQ(encode(disconnect, Version::k5, out).error().code, ErrorCode::kInvalidArgument);
  // The same by hand: 17 × 7 bytes.
  std::string bytes = "e0 79 00 77";
  for (std::size_t i = 0; i <= kUserPropertiesMax; ++i) bytes += " 26 0001 61 0001 62";
  disconnect.properties.user.pop_back();
  EXPECT_FALSE(is_cut(disconnect));
  disconnect.properties.more_user = true;
  const auto cut = decode(hex(bytes), Version::k5);
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->packet, Packet(disconnect));
  EXPECT_TRUE(is_cut(cut->packet));
  EXPECT_EQ(encode(cut->packet, Version::k5, out).error().code, ErrorCode::kInvalidArgument);
  // The last one without its value.
  const std::string broken = "e0 78 00 76" + bytes.substr(11, bytes.size() - 14);
  EXPECT_EQ(decode(hex(broken), Version::k5).error().code, ErrorCode::kMalformed);
}

TEST(Mqtt, SaysThatAWillHasMoreUserProperties) {
  Connect connect;
  connect.will = Will{.topic = "a"};
  EXPECT_FALSE(is_cut(connect));
  connect.will->properties.more_user = true;
  EXPECT_TRUE(is_cut(connect));
}

TEST(Mqtt, WritesNothingWhenAPacketHasNoEncoding) {
  Publish bad_id = push();
  bad_id.packet_id = 0;
  Publish long_topic = push();
  long_topic.topic.assign(65'536, 'a');
  Publish too_long = push();
  too_long.payload.resize(kPacketMax);
  Publish not_text = push();
  not_text.topic = "\xFF";
  Publish misplaced = push();
  misplaced.properties.server_keep_alive_s = 1;
  Connect lone_password = plain_connect(Version::k311);
  lone_password.password = Bytes{};
  struct Case {
    Packet packet;
    ErrorCode error;
  };
  const Case cases[] = {{bad_id, ErrorCode::kInvalidArgument},
                        {long_topic, ErrorCode::kInvalidArgument},
                        {too_long, ErrorCode::kTooLarge},
                        {not_text, ErrorCode::kInvalidArgument},
                        {misplaced, ErrorCode::kInvalidArgument},
                        {Unsuback{1, {}, {}}, ErrorCode::kInvalidArgument},
                        {lone_password, ErrorCode::kInvalidArgument}};
  for (const Case& one : cases) {
    SCOPED_TRACE(to_line(one.packet));
    Bytes out = {1, 2};
    const auto written = encode(one.packet, Version::k5, out);
    ASSERT_FALSE(written);
    EXPECT_EQ(base::name(written.error().code), base::name(one.error));
    EXPECT_EQ(out, (Bytes{1, 2}));
  }
  Bytes out;
  EXPECT_EQ(encode(Auth{}, Version::k311, out).error().code, ErrorCode::kInvalidArgument);
}

TEST(Mqtt, FillsAPacketToItsLimitAndNoFurther) {
  Publish publish = push();
  // 4 B fixed header, 5 B topic, 2 B id.
  publish.payload.resize(kPacketMax - 11);
  Bytes out;
  ASSERT_TRUE(encode(publish, Version::k311, out));
  EXPECT_EQ(out.size(), kPacketMax);
  EXPECT_EQ(decode(out, Version::k311)->packet, Packet(publish));
  publish.payload.push_back(0);
  EXPECT_EQ(encode(publish, Version::k311, out).error().code, ErrorCode::kTooLarge);
}

TEST(Mqtt, SaysAReasonOf5AsTheNearestReturnCodeOf311) {
  const auto through_311 = [](Reason reason) {
    Bytes out;
    EXPECT_TRUE(encode(Connack{false, reason, {}}, Version::k311, out));
    return std::get<Connack>(decode(out, Version::k311)->packet).reason;
  };
  EXPECT_EQ(through_311(Reason::kUnsupportedVersion), Reason::kUnsupportedVersion);
  EXPECT_EQ(through_311(Reason::kClientIdNotValid), Reason::kClientIdNotValid);
  EXPECT_EQ(through_311(Reason::kBadCredentials), Reason::kBadCredentials);
  EXPECT_EQ(through_311(Reason::kNotAuthorized), Reason::kNotAuthorized);
  EXPECT_EQ(through_311(Reason::kServerBusy), Reason::kServerUnavailable);
}

TEST(Mqtt, LeavesOutFor311WhatItDoesNotKnow) {
  Publish publish = expiring_push();
  publish.duplicate = false;
  Bytes out;
  ASSERT_TRUE(encode(publish, Version::k311, out));
  EXPECT_EQ(decode(out, Version::k311)->packet, Packet(push()));
}

TEST(Mqtt, FindsTheFirstUserPropertyOfAName) {
  Properties properties;
  properties.user = {{"a", "1"}, {"b", "2"}, {"a", "3"}};
  EXPECT_EQ(properties.user_value("a"), "1");
  EXPECT_EQ(properties.user_value("c"), std::nullopt);
}

TEST(Mqtt, PrintsOneLineWithoutSecretsOrPayload) {
  Publish publish = push();
  publish.packet_id = 3;
  publish.topic = "inbox";
  publish.payload.assign(128, 's');
  EXPECT_EQ(to_line(publish), "PUBLISH id=3 qos=1 topic=inbox 128 B");
  EXPECT_EQ(to_line(full_connect()),
            "CONNECT v=5 client=ab clean=0 keep_alive=600 user=u password will=w k=v");
  EXPECT_EQ(to_line(Disconnect{Reason::kNotAuthorized, with_reason("a\nb\\")}),
            "DISCONNECT reason=0x87 (a\\x0ab\\x5c)");
  publish.topic.assign(100, 't');
  EXPECT_EQ(to_line(publish), "PUBLISH id=3 qos=1 topic=" + std::string(64, 't') + "... 128 B");
  EXPECT_EQ(to_line(Suback{1, std::vector<Reason>(6), {}}), "SUBACK id=1 0x00,0x00,0x00,0x00,+2");
}

}  // namespace
}  // namespace wakeline::wire::mqtt
