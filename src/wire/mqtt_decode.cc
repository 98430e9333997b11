// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <type_traits>
#include <utility>
#include <variant>

#include "wire/mqtt_codec.h"

namespace wakeline::wire::mqtt {
namespace {

using base::ErrorCode;
using codec::PacketType;
using codec::Place;
using codec::Reader;

struct FixedHeader {
  PacketType type{};
  std::uint8_t flags = 0;
  std::size_t size = 0;  // bytes of the header itself; 0: more input is needed
  std::size_t body = 0;
  bool shortest = true;  // the length has no shorter form
};

base::Result<FixedHeader> read_header(base::BytesView input, Version version) {
  if (input.empty()) return FixedHeader{};
  const std::uint8_t number = input[0] >> 4;
  FixedHeader header{PacketType{number}, static_cast<std::uint8_t>(input[0] & 0x0F)};
  const bool known = number != 0 && (header.type != PacketType::kAuth || version == Version::k5);
  if (!known) return base::fail(ErrorCode::kMalformed, "mqtt");
  if (header.type != PacketType::kPublish && header.flags != codec::fixed_flags(header.type)) {
    return base::fail(ErrorCode::kMalformed, codec::where(header.type));
  }
  for (std::size_t i = 0; i < 4; ++i) {
    if (1 + i == input.size()) return FixedHeader{};
    const std::uint8_t byte = input[1 + i];
    header.body |= static_cast<std::size_t>(byte & 0x7F) << (7 * i);
    if ((byte & 0x80) == 0) {
      header.size = 2 + i;
      header.shortest = byte != 0 || i == 0;
      return header;
    }
  }
  return base::fail(ErrorCode::kMalformed, codec::where(header.type));
}

Qos qos_of(Reader& reader, unsigned bits) {
  if (bits > 2) reader.refuse();
  return static_cast<Qos>(bits & 3);
}

void read_properties(Reader& reader, Version version, Place place, Properties& out) {
  if (version == Version::k5) codec::read_properties(reader, place, out);
}

Will read_will(Reader& reader, Version version, unsigned flags) {
  Will will;
  will.qos = qos_of(reader, (flags >> 3) & 3);
  will.retain = (flags & 0x20) != 0;
  read_properties(reader, version, Place::kWill, will.properties);
  will.topic = reader.text();
  will.payload = reader.binary();
  return will;
}

Connect read_connect(Reader& reader) {
  Connect connect;
  const std::string protocol = reader.text();
  const std::uint8_t level = reader.u8();
  const bool served = protocol == "MQTT" && (level == 4 || level == 5);
  if (!served) {
    reader.refuse(ErrorCode::kUnsupported);
    return connect;
  }
  connect.version = Version{level};
  const unsigned flags = reader.u8();
  const bool has_will = (flags & 0x04) != 0;
  if ((flags & 0x01) != 0 || (!has_will && (flags & 0x38) != 0)) reader.refuse();
  connect.clean_start = (flags & 0x02) != 0;
  connect.keep_alive_s = reader.u16();
  read_properties(reader, connect.version, Place::kConnect, connect.properties);
  connect.client_id = reader.text();
  if (has_will) connect.will = read_will(reader, connect.version, flags);
  if ((flags & 0x80) != 0) connect.user_name = reader.text();
  if ((flags & 0x40) != 0) connect.password = reader.binary();
  return connect;
}

// The return codes of 3.1.1 (its §3.2.2.3) and the reasons of 5.0 that mean the same.
constexpr std::array kReturnCodes = {Reason::kSuccess,          Reason::kUnsupportedVersion,
                                     Reason::kClientIdNotValid, Reason::kServerUnavailable,
                                     Reason::kBadCredentials,   Reason::kNotAuthorized};

Connack read_connack(Reader& reader, Version version) {
  Connack connack;
  const std::uint8_t flags = reader.u8();
  if (flags > 1) reader.refuse();
  connack.session_present = flags == 1;
  const std::uint8_t code = reader.u8();
  if (version == Version::k5) {
    connack.reason = Reason{code};
  } else if (code < kReturnCodes.size()) {
    connack.reason = kReturnCodes[code];
  } else {
    reader.refuse();
  }
  read_properties(reader, version, Place::kConnack, connack.properties);
  return connack;
}

Publish read_publish(Reader& reader, Version version, unsigned flags) {
  Publish publish;
  publish.qos = qos_of(reader, (flags >> 1) & 3);
  publish.retain = (flags & 1) != 0;
  publish.duplicate = (flags & 8) != 0;
  publish.topic = reader.text();
  if (publish.qos != Qos::kAtMostOnce) publish.packet_id = reader.u16();
  read_properties(reader, version, Place::kPublish, publish.properties);
  publish.payload = reader.rest();
  return publish;
}

// A short form leaves out the properties, or the reason too, in 5.0; 3.1.1 knows only that
// (§3.4.2.1, §3.14.2.1).
void read_reason(Reader& reader, Version version, Place place, Reason& reason,
                 Properties& properties) {
  if (version == Version::k311 || reader.empty()) return;
  reason = Reason{reader.u8()};
  if (!reader.empty() || place == Place::kAuth) read_properties(reader, version, place, properties);
}

Ack read_ack(Reader& reader, Version version, PacketType type) {
  Ack ack;
  ack.kind = AckKind{std::to_underlying(type)};
  ack.packet_id = reader.u16();
  read_reason(reader, version, Place::kAck, ack.reason, ack.properties);
  return ack;
}

TopicRequest read_topic_request(Reader& reader, Version version) {
  TopicRequest topic;
  topic.filter = reader.text();
  const unsigned options = reader.u8();
  const unsigned reserved = version == Version::k5 ? 0xC0 : 0xFC;
  if ((options & reserved) != 0) reader.refuse();
  topic.qos = qos_of(reader, options & 3);
  topic.no_local = (options & 0x04) != 0;
  topic.retain_as_published = (options & 0x08) != 0;
  topic.retain_handling = static_cast<std::uint8_t>((options >> 4) & 3);
  return topic;
}

// Reads up to the end, and never more than kTopicsMax entries: each is larger in memory than on the
// wire.
template <class T, class ReadOne>
std::vector<T> read_list(Reader& reader, ReadOne read_one) {
  std::vector<T> list;
  while (reader.ok() && !reader.empty()) {
    if (list.size() == kTopicsMax) {
      reader.refuse(ErrorCode::kUnsupported);
      break;
    }
    list.push_back(read_one());
  }
  return list;
}

Subscribe read_subscribe(Reader& reader, Version version) {
  Subscribe subscribe;
  subscribe.packet_id = reader.u16();
  read_properties(reader, version, Place::kSubscribe, subscribe.properties);
  subscribe.topics =
      read_list<TopicRequest>(reader, [&] { return read_topic_request(reader, version); });
  return subscribe;
}

Suback read_suback(Reader& reader, Version version) {
  Suback suback;
  suback.packet_id = reader.u16();
  read_properties(reader, version, Place::kSuback, suback.properties);
  suback.reasons = read_list<Reason>(reader, [&] {
    const Reason reason{reader.u8()};
    if (version == Version::k311 && reason > Reason::kUnspecified) reader.refuse();
    return reason;
  });
  return suback;
}

Unsubscribe read_unsubscribe(Reader& reader, Version version) {
  Unsubscribe unsubscribe;
  unsubscribe.packet_id = reader.u16();
  read_properties(reader, version, Place::kUnsubscribe, unsubscribe.properties);
  unsubscribe.filters = read_list<std::string>(reader, [&] { return reader.text(); });
  return unsubscribe;
}

Unsuback read_unsuback(Reader& reader, Version version) {
  Unsuback unsuback;
  unsuback.packet_id = reader.u16();
  if (version == Version::k311) return unsuback;  // it carries no reasons
  read_properties(reader, version, Place::kUnsuback, unsuback.properties);
  unsuback.reasons = read_list<Reason>(reader, [&] { return Reason{reader.u8()}; });
  return unsuback;
}

Packet read_body(Reader& reader, Version version, const FixedHeader& header) {
  switch (header.type) {
    case PacketType::kConnect:
      return read_connect(reader);
    case PacketType::kConnack:
      return read_connack(reader, version);
    case PacketType::kPublish:
      return read_publish(reader, version, header.flags);
    case PacketType::kPuback:
    case PacketType::kPubrec:
    case PacketType::kPubrel:
    case PacketType::kPubcomp:
      return read_ack(reader, version, header.type);
    case PacketType::kSubscribe:
      return read_subscribe(reader, version);
    case PacketType::kSuback:
      return read_suback(reader, version);
    case PacketType::kUnsubscribe:
      return read_unsubscribe(reader, version);
    case PacketType::kUnsuback:
      return read_unsuback(reader, version);
    case PacketType::kPingreq:
      return Pingreq{};
    case PacketType::kPingresp:
      return Pingresp{};
    case PacketType::kDisconnect: {
      Disconnect disconnect;
      read_reason(reader, version, Place::kDisconnect, disconnect.reason, disconnect.properties);
      return disconnect;
    }
    case PacketType::kAuth: {
      Auth auth;
      read_reason(reader, version, Place::kAuth, auth.reason, auth.properties);
      return auth;
    }
  }
  std::unreachable();  // read_header let only known types pass
}

}  // namespace

base::Result<Decoded> decode(base::BytesView input, Version version, std::size_t limit) {
  const auto header = read_header(input, version);
  if (!header) return base::fail(header.error());
  if (header->size == 0) return Decoded{};
  const char* where = codec::where(header->type);
  const std::size_t total = header->size + header->body;
  if (total > limit) return base::fail(ErrorCode::kTooLarge, where);
  if (input.size() < total) return Decoded{};

  Reader reader(input.subspan(header->size, header->body));
  Decoded decoded{total, read_body(reader, version, *header)};
  if (!reader.ok()) return base::fail(reader.error(), where);
  const auto* connect = std::get_if<Connect>(&decoded.packet);
  const Version spoken = connect != nullptr ? connect->version : version;
  // A length with needless bytes is an error in 5.0 (§1.5.5) only.
  const bool fits = reader.empty() && (header->shortest || spoken == Version::k311);
  if (!fits || !codec::follows_rules(decoded.packet, spoken)) {
    return base::fail(ErrorCode::kMalformed, where);
  }
  return decoded;
}

bool is_cut(const Packet& packet) {
  return std::visit(
      []<class T>(const T& each) {
        if constexpr (requires { each.properties; }) {
          if (each.properties.more_user) return true;
        }
        if constexpr (std::is_same_v<T, Connect>)
          return each.will.has_value() && each.will->properties.more_user;
        return false;
      },
      packet);
}

}  // namespace wakeline::wire::mqtt
