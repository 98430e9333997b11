// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <variant>

#include "wire/mqtt_codec.h"

namespace wakeline::wire::mqtt {

std::optional<std::string_view> Properties::user_value(std::string_view name) const {
  for (const auto& [key, value] : user) {
    if (key == name) return value;
  }
  return std::nullopt;
}

namespace codec {
namespace {

using base::ErrorCode;

constexpr std::uint8_t kUserProperty = 0x26;

enum class Rule : std::uint8_t {
  kAny,
  kNotZero,
  kVarint,  // not zero, and a variable byte integer on the wire
  kTopic,   // a topic name
};

using Member = std::variant<
    std::optional<std::uint8_t> Properties::*, std::optional<std::uint16_t> Properties::*,
    std::optional<std::uint32_t> Properties::*, std::optional<std::string> Properties::*,
    std::optional<base::Bytes> Properties::*>;

struct Row {
  std::uint8_t id;
  Member member;
  std::uint16_t places;
  Rule rule = Rule::kAny;
};

template <class... P>
constexpr std::uint16_t in(P... places) {
  return static_cast<std::uint16_t>((std::to_underlying(places) | ...));
}

using enum Place;
constexpr std::uint16_t kMessage = in(kPublish, kWill);
constexpr std::uint16_t kHandshake = in(kConnect, kConnack);

// Source: §2.2.2.2, table 2-4.
constexpr std::array kRows = {
    Row{0x01, &Properties::payload_format, kMessage},
    Row{0x02, &Properties::message_expiry_s, kMessage},
    Row{0x03, &Properties::content_type, kMessage},
    Row{0x08, &Properties::response_topic, kMessage, Rule::kTopic},
    Row{0x09, &Properties::correlation_data, kMessage},
    Row{0x0B, &Properties::subscription_id, in(kPublish, kSubscribe), Rule::kVarint},
    Row{0x11, &Properties::session_expiry_s, in(kConnect, kConnack, kDisconnect)},
    Row{0x12, &Properties::assigned_client_id, in(kConnack)},
    Row{0x13, &Properties::server_keep_alive_s, in(kConnack)},
    Row{0x15, &Properties::auth_method, in(kConnect, kConnack, kAuth)},
    Row{0x16, &Properties::auth_data, in(kConnect, kConnack, kAuth)},
    Row{0x17, &Properties::request_problem_information, in(kConnect)},
    Row{0x18, &Properties::will_delay_s, in(kWill)},
    Row{0x19, &Properties::request_response_information, in(kConnect)},
    Row{0x1A, &Properties::response_information, in(kConnack)},
    Row{0x1C, &Properties::server_reference, in(kConnack, kDisconnect)},
    Row{0x1F, &Properties::reason_string,
        in(kConnack, kAck, kSuback, kUnsuback, kDisconnect, kAuth)},
    Row{0x21, &Properties::receive_maximum, kHandshake, Rule::kNotZero},
    Row{0x22, &Properties::topic_alias_maximum, kHandshake},
    Row{0x23, &Properties::topic_alias, in(kPublish), Rule::kNotZero},
    Row{0x24, &Properties::maximum_qos, in(kConnack)},
    Row{0x25, &Properties::retain_available, in(kConnack)},
    Row{0x27, &Properties::maximum_packet_size, kHandshake, Rule::kNotZero},
    Row{0x28, &Properties::wildcard_available, in(kConnack)},
    Row{0x29, &Properties::subscription_ids_available, in(kConnack)},
    Row{0x2A, &Properties::shared_available, in(kConnack)},
};

bool allows(const Row& row, Place place) { return (row.places & std::to_underlying(place)) != 0; }

// Every property of one byte is a yes or no (Maximum QoS too: 2 is said by leaving it out).
bool in_range(Rule, std::uint8_t value) { return value <= 1; }
bool in_range(Rule rule, std::uint16_t value) { return rule == Rule::kAny || value != 0; }
bool in_range(Rule rule, std::uint32_t value) {
  return rule == Rule::kAny || (value != 0 && (rule != Rule::kVarint || value <= kVarintMax));
}
bool in_range(Rule rule, const std::string& value) {
  return rule != Rule::kTopic || is_topic_name(value);
}
bool in_range(Rule, const base::Bytes&) { return true; }

void read(Reader& reader, Rule, std::uint8_t& value) { value = reader.u8(); }
void read(Reader& reader, Rule, std::uint16_t& value) { value = reader.u16(); }
void read(Reader& reader, Rule rule, std::uint32_t& value) {
  value = rule == Rule::kVarint ? reader.varint() : reader.u32();
}
void read(Reader& reader, Rule, std::string& value) { value = reader.text(); }
void read(Reader& reader, Rule, base::Bytes& value) { value = reader.binary(); }

void write(Writer& writer, Rule, std::uint8_t value) { writer.u8(value); }
void write(Writer& writer, Rule, std::uint16_t value) { writer.u16(value); }
void write(Writer& writer, Rule rule, std::uint32_t value) {
  rule == Rule::kVarint ? writer.varint(value) : writer.u32(value);
}
void write(Writer& writer, Rule, const std::string& value) { writer.text(value); }
void write(Writer& writer, Rule, const base::Bytes& value) { writer.binary(value); }

void read_user(Reader& reader, Properties& out) {
  std::string key = reader.text();
  std::string value = reader.text();
  if (!reader.ok()) return;
  if (out.user.size() == kUserPropertiesMax)
    out.more_user = true;
  else
    out.user.emplace_back(std::move(key), std::move(value));
}

void read_one(Reader& reader, Place place, Properties& out) {
  const std::uint32_t id = reader.varint();
  if (!reader.ok()) return;
  if (id == kUserProperty) return read_user(reader, out);
  const auto row = std::ranges::find(kRows, id, &Row::id);
  if (row == kRows.end() || !allows(*row, place)) return reader.refuse();
  std::visit(
      [&](auto member) {
        auto& slot = out.*member;
        if (slot) return reader.refuse();
        read(reader, row->rule, slot.emplace());
        if (!in_range(row->rule, *slot)) reader.refuse();
      },
      row->member);
}

}  // namespace

void read_properties(Reader& reader, Place place, Properties& out) {
  const std::uint32_t length = reader.varint();
  Reader list(reader.take(length));
  while (list.ok() && !list.empty()) read_one(list, place, out);
  // Data without a method belongs to no exchange (§3.1.2.11.10).
  if (!list.ok() || (out.auth_data && !out.auth_method)) reader.refuse();
}

void write_properties(Writer& writer, Place place, const Properties& properties) {
  base::Bytes bytes;
  Writer list(bytes);
  for (const Row& row : kRows) {
    std::visit(
        [&](auto member) {
          const auto& slot = properties.*member;
          if (!slot) return;
          if (!allows(row, place) || !in_range(row.rule, *slot)) {
            return list.refuse(ErrorCode::kInvalidArgument);
          }
          list.u8(row.id);
          write(list, row.rule, *slot);
        },
        row.member);
  }
  if (properties.user.size() > kUserPropertiesMax || properties.more_user ||
      (properties.auth_data && !properties.auth_method)) {
    list.refuse(ErrorCode::kInvalidArgument);
  }
  for (const auto& [key, value] : properties.user) {
    list.u8(kUserProperty);
    list.text(key);
    list.text(value);
  }
  if (!list.ok()) return writer.refuse(list.error());
  // Far over any packet; said here because the length itself could not be written.
  if (bytes.size() > kVarintMax) return writer.refuse(ErrorCode::kTooLarge);
  writer.varint(static_cast<std::uint32_t>(bytes.size()));
  writer.put(bytes);
}

bool is_empty(const Properties& properties) {
  return properties.user.empty() && std::ranges::none_of(kRows, [&](const Row& row) {
           return std::visit([&](auto member) { return (properties.*member).has_value(); },
                             row.member);
         });
}

}  // namespace codec
}  // namespace wakeline::wire::mqtt
