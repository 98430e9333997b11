// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>
#include <variant>

#include "wire/mqtt_codec.h"

namespace wakeline::wire::mqtt {
namespace {

using base::ErrorCode;
using codec::PacketType;
using codec::Place;
using codec::Writer;

/// The longest fixed header in bytes. Source: §2.1.1.
constexpr std::size_t kHeaderMax = 5;

PacketType type_of(const Connect&) { return PacketType::kConnect; }
PacketType type_of(const Connack&) { return PacketType::kConnack; }
PacketType type_of(const Publish&) { return PacketType::kPublish; }
PacketType type_of(const Ack& ack) { return PacketType{std::to_underlying(ack.kind)}; }
PacketType type_of(const Subscribe&) { return PacketType::kSubscribe; }
PacketType type_of(const Suback&) { return PacketType::kSuback; }
PacketType type_of(const Unsubscribe&) { return PacketType::kUnsubscribe; }
PacketType type_of(const Unsuback&) { return PacketType::kUnsuback; }
PacketType type_of(const Pingreq&) { return PacketType::kPingreq; }
PacketType type_of(const Pingresp&) { return PacketType::kPingresp; }
PacketType type_of(const Disconnect&) { return PacketType::kDisconnect; }
PacketType type_of(const Auth&) { return PacketType::kAuth; }

std::uint8_t first_byte(const Packet& packet, PacketType type) {
  unsigned flags = codec::fixed_flags(type);
  if (const auto* publish = std::get_if<Publish>(&packet)) {
    flags = (publish->duplicate ? 8U : 0U) | std::to_underlying(publish->qos) << 1U |
            (publish->retain ? 1U : 0U);
  }
  return static_cast<std::uint8_t>(std::to_underlying(type) << 4U | flags);
}

void write_properties(Writer& writer, Version version, Place place, const Properties& properties) {
  if (version == Version::k5) codec::write_properties(writer, place, properties);
}

void write(Writer& writer, const Connect& connect, Version) {
  unsigned flags = connect.clean_start ? 0x02 : 0;
  if (connect.will) {
    flags |=
        0x04U | std::to_underlying(connect.will->qos) << 3U | (connect.will->retain ? 0x20U : 0);
  }
  if (connect.user_name) flags |= 0x80;
  if (connect.password) flags |= 0x40;
  writer.text("MQTT");
  writer.u8(std::to_underlying(connect.version));
  writer.u8(static_cast<std::uint8_t>(flags));
  writer.u16(connect.keep_alive_s);
  write_properties(writer, connect.version, Place::kConnect, connect.properties);
  writer.text(connect.client_id);
  if (connect.will) {
    write_properties(writer, connect.version, Place::kWill, connect.will->properties);
    writer.text(connect.will->topic);
    writer.binary(connect.will->payload);
  }
  if (connect.user_name) writer.text(*connect.user_name);
  if (connect.password) writer.binary(*connect.password);
}

// 3.1.1 has five refusals; what it cannot say becomes "server unavailable", which tells a client to
// come back later.
std::uint8_t return_code(Reason reason) {
  switch (reason) {
    case Reason::kSuccess:
      return 0;
    case Reason::kUnsupportedVersion:
      return 1;
    case Reason::kClientIdNotValid:
      return 2;
    case Reason::kBadCredentials:
      return 4;
    case Reason::kNotAuthorized:
      return 5;
    default:
      return 3;
  }
}

void write(Writer& writer, const Connack& connack, Version version) {
  writer.u8(connack.session_present ? 1 : 0);
  writer.u8(version == Version::k5 ? std::to_underlying(connack.reason)
                                   : return_code(connack.reason));
  write_properties(writer, version, Place::kConnack, connack.properties);
}

void write(Writer& writer, const Publish& publish, Version version) {
  writer.text(publish.topic);
  if (publish.qos != Qos::kAtMostOnce) writer.u16(publish.packet_id);
  write_properties(writer, version, Place::kPublish, publish.properties);
  writer.put(publish.payload);
}

// The shortest form that says it (§3.4.2.1, §3.14.2.1).
void write_reason(Writer& writer, Version version, Place place, Reason reason,
                  const Properties& properties) {
  if (version == Version::k311) return;
  const bool plain = codec::is_empty(properties);
  if (plain && reason == Reason::kSuccess) return;
  writer.u8(std::to_underlying(reason));
  if (!plain || place == Place::kAuth) codec::write_properties(writer, place, properties);
}

void write(Writer& writer, const Ack& ack, Version version) {
  writer.u16(ack.packet_id);
  write_reason(writer, version, Place::kAck, ack.reason, ack.properties);
}

void write(Writer& writer, const Subscribe& subscribe, Version version) {
  writer.u16(subscribe.packet_id);
  write_properties(writer, version, Place::kSubscribe, subscribe.properties);
  for (const TopicRequest& topic : subscribe.topics) {
    unsigned options = std::to_underlying(topic.qos);
    if (version == Version::k5) {
      options |= (topic.no_local ? 0x04U : 0) | (topic.retain_as_published ? 0x08U : 0) |
                 static_cast<unsigned>(topic.retain_handling) << 4U;
    }
    writer.text(topic.filter);
    writer.u8(static_cast<std::uint8_t>(options));
  }
}

void write(Writer& writer, const Suback& suback, Version version) {
  writer.u16(suback.packet_id);
  write_properties(writer, version, Place::kSuback, suback.properties);
  for (const Reason reason : suback.reasons) {
    const Reason known = version == Version::k5 ? reason : std::min(reason, Reason::kUnspecified);
    writer.u8(std::to_underlying(known));
  }
}

void write(Writer& writer, const Unsubscribe& unsubscribe, Version version) {
  writer.u16(unsubscribe.packet_id);
  write_properties(writer, version, Place::kUnsubscribe, unsubscribe.properties);
  for (const std::string& filter : unsubscribe.filters) writer.text(filter);
}

void write(Writer& writer, const Unsuback& unsuback, Version version) {
  writer.u16(unsuback.packet_id);
  if (version == Version::k311) return;
  write_properties(writer, version, Place::kUnsuback, unsuback.properties);
  for (const Reason reason : unsuback.reasons) writer.u8(std::to_underlying(reason));
}

void write(Writer&, const Pingreq&, Version) {}
void write(Writer&, const Pingresp&, Version) {}

void write(Writer& writer, const Disconnect& disconnect, Version version) {
  write_reason(writer, version, Place::kDisconnect, disconnect.reason, disconnect.properties);
}

void write(Writer& writer, const Auth& auth, Version version) {
  write_reason(writer, version, Place::kAuth, auth.reason, auth.properties);
}

}  // namespace

base::Result<void> encode(const Packet& packet, Version version, base::Bytes& out) {
  if (!codec::follows_rules(packet, version)) {
    return base::fail(ErrorCode::kInvalidArgument, "mqtt.encode");
  }
  const PacketType type = std::visit([](const auto& value) { return type_of(value); }, packet);

  // The body first, behind room for the longest header; then the header is put right before it.
  const std::size_t start = out.size();
  out.resize(start + kHeaderMax);
  Writer writer(out);
  std::visit([&](const auto& value) { write(writer, value, version); }, packet);
  const std::size_t body = out.size() - start - kHeaderMax;

  base::Bytes header;
  Writer header_writer(header);
  header_writer.u8(first_byte(packet, type));
  if (body <= kPacketMax) header_writer.varint(static_cast<std::uint32_t>(body));
  if (header.size() + body > kPacketMax) writer.refuse(ErrorCode::kTooLarge);
  if (!writer.ok()) {
    out.resize(start);
    return base::fail(writer.error(), codec::where(type));
  }
  const auto front = out.begin() + static_cast<std::ptrdiff_t>(start);
  const auto gap = static_cast<std::ptrdiff_t>(kHeaderMax - header.size());
  std::ranges::copy(header, front);
  std::ranges::move(front + kHeaderMax, out.end(), front + kHeaderMax - gap);
  out.resize(out.size() - static_cast<std::size_t>(gap));
  return {};
}

}  // namespace wakeline::wire::mqtt
