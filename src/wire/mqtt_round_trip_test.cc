// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <utility>
#include <variant>

#include "base/bytes.h"
#include "wire/mqtt.h"
#include "wire/values_testing.h"

/// What is written is read again as the same packet, for packets drawn from all that is allowed.
namespace wakeline::wire::mqtt {
namespace {

using test_values::any;
using test_values::any_bytes;
using test_values::any_text;
using test_values::from;
using test_values::set;
using test_values::sometimes;

Qos any_qos() { return static_cast<Qos>(from(0, 2)); }
std::uint16_t any_id() { return from<std::uint16_t>(1, 65'535); }
Reason any_reason() { return static_cast<Reason>(any<std::uint8_t>()); }
std::uint8_t yes_or_no() { return from<std::uint8_t>(0, 1); }
std::string any_topic() { return any_text(40, 1); }
constexpr const char* kShared = "$share/group/a/+";
std::string any_filter() {
  return sometimes() ? any_topic()
                     : *rc::gen::element<std::string>("#", "+", "a/#", "+/b", "/+/", kShared);
}

Properties with_user() {
  Properties properties;
  for (std::size_t i = from(0, 3); i > 0; --i) {
    properties.user.emplace_back(any_text(), any_text());
  }
  return properties;
}
Properties of_reason() {
  Properties properties = with_user();
  set(properties.reason_string, [] { return any_text(); });
  return properties;
}
Properties of_message() {
  Properties properties = with_user();
  set(properties.payload_format, yes_or_no);
  set(properties.message_expiry_s, any<std::uint32_t>);
  set(properties.content_type, [] { return any_text(); });
  set(properties.response_topic, any_topic);
  set(properties.correlation_data, any_bytes);
  return properties;
}
void set_auth(Properties& properties) {
  set(properties.auth_method, [] { return any_text(); });
  if (properties.auth_method) set(properties.auth_data, any_bytes);
}
Properties of_handshake() {
  Properties properties = with_user();
  set_auth(properties);
  set(properties.session_expiry_s, any<std::uint32_t>);
  set(properties.receive_maximum, any_id);
  set(properties.topic_alias_maximum, any<std::uint16_t>);
  set(properties.maximum_packet_size, [] { return from<std::uint32_t>(1, 0xFFFF'FFFF); });
  return properties;
}

Connect any_connect(Version version) {
  Connect connect;
  connect.version = version;
  connect.clean_start = any<bool>();
  connect.keep_alive_s = any<std::uint16_t>();
  connect.client_id = any_text();
  set(connect.user_name, [] { return any_text(); });
  if (connect.user_name || version == Version::k5) set(connect.password, any_bytes);
  if (version == Version::k5) {
    connect.properties = of_handshake();
    set(connect.properties.request_problem_information, yes_or_no);
    set(connect.properties.request_response_information, yes_or_no);
  }
  if (any<bool>()) {
    Will will{any_topic(), any_bytes(), any_qos(), any<bool>(), {}};
    if (version == Version::k5) {
      will.properties = of_message();
      set(will.properties.will_delay_s, any<std::uint32_t>);
    }
    connect.will = std::move(will);
  }
  return connect;
}

Connack any_connack(Version version) {
  Connack connack;
  if (version == Version::k311) {
    connack.reason = *rc::gen::element(Reason::kSuccess, Reason::kUnsupportedVersion,
                                       Reason::kClientIdNotValid, Reason::kServerUnavailable,
                                       Reason::kBadCredentials, Reason::kNotAuthorized);
  } else {
    connack.reason = any_reason();
    connack.properties = of_handshake();
    set(connack.properties.assigned_client_id, [] { return any_text(); });
    set(connack.properties.server_keep_alive_s, any<std::uint16_t>);
    set(connack.properties.response_information, [] { return any_text(); });
    set(connack.properties.server_reference, [] { return any_text(); });
    set(connack.properties.reason_string, [] { return any_text(); });
    set(connack.properties.maximum_qos, yes_or_no);
    set(connack.properties.retain_available, yes_or_no);
    set(connack.properties.wildcard_available, yes_or_no);
    set(connack.properties.subscription_ids_available, yes_or_no);
    set(connack.properties.shared_available, yes_or_no);
  }
  connack.session_present = connack.reason == Reason::kSuccess && any<bool>();
  return connack;
}

Publish any_publish(Version version) {
  Publish publish;
  publish.topic = any_topic();
  publish.payload = any_bytes();
  publish.qos = any_qos();
  publish.retain = any<bool>();
  if (publish.qos != Qos::kAtMostOnce) {
    publish.duplicate = any<bool>();
    publish.packet_id = any_id();
  }
  if (version == Version::k5) {
    publish.properties = of_message();
    set(publish.properties.subscription_id, [] { return from<std::uint32_t>(1, 268'435'455); });
    set(publish.properties.topic_alias, any_id);
    if (publish.properties.topic_alias && sometimes()) publish.topic.clear();
  }
  return publish;
}

Ack any_ack(Version version) {
  Ack ack;
  ack.kind = static_cast<AckKind>(from(4, 7));
  ack.packet_id = any_id();
  if (version == Version::k5) {
    ack.reason = any_reason();
    ack.properties = of_reason();
  }
  return ack;
}

Subscribe any_subscribe(Version version) {
  Subscribe subscribe;
  subscribe.packet_id = any_id();
  for (std::size_t i = from(1, 4); i > 0; --i) {
    TopicRequest topic{any_filter(), any_qos()};
    if (version == Version::k5) {
      topic.no_local = topic.filter != kShared && any<bool>();
      topic.retain_as_published = any<bool>();
      topic.retain_handling = from<std::uint8_t>(0, 2);
    }
    subscribe.topics.push_back(std::move(topic));
  }
  if (version == Version::k5) {
    subscribe.properties = with_user();
    set(subscribe.properties.subscription_id, [] { return from<std::uint32_t>(1, 268'435'455); });
  }
  return subscribe;
}

Suback any_suback(Version version) {
  Suback suback;
  suback.packet_id = any_id();
  for (std::size_t i = from(1, 4); i > 0; --i) {
    const int most = version == Version::k5 ? 0xFF : 0x80;
    suback.reasons.push_back(static_cast<Reason>(sometimes() ? from(0x80, most) : from(0, 2)));
  }
  if (version == Version::k5) suback.properties = of_reason();
  return suback;
}

Unsubscribe any_unsubscribe(Version version) {
  Unsubscribe unsubscribe;
  unsubscribe.packet_id = any_id();
  for (std::size_t i = from(1, 4); i > 0; --i) unsubscribe.filters.push_back(any_filter());
  if (version == Version::k5) unsubscribe.properties = with_user();
  return unsubscribe;
}

Unsuback any_unsuback(Version version) {
  Unsuback unsuback;
  unsuback.packet_id = any_id();
  if (version == Version::k5) {
    for (std::size_t i = from(1, 4); i > 0; --i) unsuback.reasons.push_back(any_reason());
    unsuback.properties = of_reason();
  }
  return unsuback;
}

Disconnect any_disconnect(Version version) {
  Disconnect disconnect;
  if (version == Version::k5) {
    disconnect.reason = any_reason();
    disconnect.properties = of_reason();
    set(disconnect.properties.session_expiry_s, any<std::uint32_t>);
    set(disconnect.properties.server_reference, [] { return any_text(); });
  }
  return disconnect;
}

Auth any_auth() {
  Auth auth;
  auth.reason = any_reason();
  auth.properties = of_reason();
  set_auth(auth.properties);
  return auth;
}

Packet any_packet(Version version) {
  switch (from(0, version == Version::k5 ? 11 : 10)) {
    case 0:
      return any_connect(version);
    case 1:
      return any_connack(version);
    case 2:
      return any_publish(version);
    case 3:
      return any_ack(version);
    case 4:
      return any_subscribe(version);
    case 5:
      return any_suback(version);
    case 6:
      return any_unsubscribe(version);
    case 7:
      return any_unsuback(version);
    case 8:
      return Pingreq{};
    case 9:
      return Pingresp{};
    case 10:
      return any_disconnect(version);
    default:
      return any_auth();
  }
}

RC_GTEST_PROP(MqttRoundTrip, ReadsEveryPacketThatItWrites, ()) {
  const Version version = any<bool>() ? Version::k5 : Version::k311;
  const Packet packet = any_packet(version);
  base::Bytes bytes;
  const auto written = encode(packet, version, bytes);
  RC_LOG() << to_line(packet) << "\n" << base::to_hex(bytes) << "\n";
  RC_TAG(packet.index());
  RC_ASSERT(written.has_value());
  const auto decoded = decode(bytes, version);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(decoded->consumed == bytes.size());
  RC_ASSERT(decoded->packet == packet);
}

RC_GTEST_PROP(MqttRoundTrip, FindsNoPacketInItsOwnBeginning, ()) {
  const Version version = any<bool>() ? Version::k5 : Version::k311;
  base::Bytes bytes;
  RC_ASSERT(encode(any_packet(version), version, bytes).has_value());
  bytes.resize(from<std::size_t>(0, bytes.size() - 1));
  const auto decoded = decode(bytes, version);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(decoded->consumed == 0U);
}

// One byte changed: an error, or another packet, that can be written and read again in its turn.
RC_GTEST_PROP(MqttRoundTrip, TakesADamagedPacketWithoutHarm, ()) {
  const Version version = any<bool>() ? Version::k5 : Version::k311;
  base::Bytes bytes;
  RC_ASSERT(encode(any_packet(version), version, bytes).has_value());
  bytes[from<std::size_t>(0, bytes.size() - 1)] = any<std::uint8_t>();
  const auto damaged = decode(bytes, version);
  if (!damaged || damaged->consumed == 0) return;
  const auto* connect = std::get_if<Connect>(&damaged->packet);
  const Version spoken = connect != nullptr ? connect->version : version;
  base::Bytes again;
  RC_ASSERT(encode(damaged->packet, spoken, again).has_value());
  RC_ASSERT(decode(again, spoken)->packet == damaged->packet);
}

}  // namespace
}  // namespace wakeline::wire::mqtt
