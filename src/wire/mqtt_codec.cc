// SPDX-License-Identifier: Apache-2.0
#include "wire/mqtt_codec.h"

#include <array>

namespace wakeline::wire::mqtt::codec {
namespace {

using base::ErrorCode;

// U+0000 is valid UTF-8, but no MQTT string may hold it (§1.5.4).
bool is_mqtt_text(std::string_view text) {
  return text.find('\0') == std::string_view::npos && base::is_utf8(text);
}

}  // namespace

const char* where(PacketType type) {
  static constexpr std::array<const char*, 16> kWhere = {
      "mqtt",           "mqtt.connect",  "mqtt.connack",     "mqtt.publish",
      "mqtt.puback",    "mqtt.pubrec",   "mqtt.pubrel",      "mqtt.pubcomp",
      "mqtt.subscribe", "mqtt.suback",   "mqtt.unsubscribe", "mqtt.unsuback",
      "mqtt.pingreq",   "mqtt.pingresp", "mqtt.disconnect",  "mqtt.auth"};
  return kWhere.at(static_cast<std::size_t>(type));
}

std::string Reader::text() {
  const std::string_view view = base::as_text(take(u16()));
  if (!is_mqtt_text(view)) {
    refuse();
    return {};
  }
  return std::string(view);
}

base::Bytes Reader::binary() {
  const base::BytesView view = take(u16());
  return {view.begin(), view.end()};
}

base::Bytes Reader::rest() {
  const base::BytesView view = take(remaining());
  return {view.begin(), view.end()};
}

std::uint32_t Reader::varint() {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const std::uint8_t byte = u8();
    value |= static_cast<std::uint32_t>(byte & 0x7F) << (7 * i);
    if ((byte & 0x80) == 0) {
      if (byte == 0 && i > 0) refuse();  // a shorter form exists
      return value;
    }
  }
  refuse();
  return 0;
}

void Reader::refuse(ErrorCode code) {
  if (!ok()) return;
  error_ = code;
  take(remaining() + 1);
}

void Writer::text(std::string_view value) {
  if (!is_mqtt_text(value)) refuse(ErrorCode::kInvalidArgument);
  binary(base::as_bytes(value));
}

void Writer::binary(base::BytesView value) {
  if (value.size() > kFieldMax) return refuse(ErrorCode::kTooLarge);
  u16(static_cast<std::uint16_t>(value.size()));
  put(value);
}

void Writer::varint(std::uint32_t value) {
  if (value > kVarintMax) return refuse(ErrorCode::kTooLarge);
  while (value > 0x7F) {
    u8(static_cast<std::uint8_t>(0x80 | (value & 0x7F)));
    value >>= 7;
  }
  u8(static_cast<std::uint8_t>(value));
}

void Writer::refuse(ErrorCode code) {
  if (ok()) error_ = code;
}

}  // namespace wakeline::wire::mqtt::codec
