// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>
#include <iterator>
#include <utility>
#include <variant>

#include "wire/mqtt_codec.h"

namespace wakeline::wire::mqtt {
namespace {

/// Bytes of a peer's string that a line shows.
constexpr std::size_t kShownMax = 64;
/// Entries of a list that a line shows.
constexpr std::size_t kShownEntriesMax = 4;

// A peer's text on one line: what is not printable ASCII, and a space, is shown as \xNN.
std::string shown(std::string_view text) {
  std::string line;
  for (const char c : text.substr(0, kShownMax)) {
    if (c > ' ' && c < 0x7F && c != '\\') {
      line += c;
    } else {
      fmt::format_to(std::back_inserter(line), "\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  if (text.size() > kShownMax) line += "...";
  return line;
}

template <class List, class Show>
std::string shown_list(const List& list, Show show) {
  std::string line;
  for (std::size_t i = 0; i < list.size() && i < kShownEntriesMax; ++i) {
    if (i > 0) line += ',';
    line += show(list[i]);
  }
  if (list.size() > kShownEntriesMax) line += fmt::format(",+{}", list.size() - kShownEntriesMax);
  return line;
}

std::string shown(Reason reason) { return fmt::format("0x{:02x}", std::to_underlying(reason)); }

// " reason=0x87 (text) seq=7": what the properties say about why, and the user properties.
std::string shown(const Properties& properties) {
  std::string line;
  if (properties.reason_string) line += fmt::format(" ({})", shown(*properties.reason_string));
  for (const auto& [key, value] : properties.user) {
    line += fmt::format(" {}={}", shown(key), shown(value));
  }
  return line;
}

std::string line(const Connect& connect) {
  return fmt::format(
      "CONNECT v={} client={} clean={:d} keep_alive={}{}{}{}{}",
      connect.version == Version::k5 ? "5" : "3.1.1", shown(connect.client_id), connect.clean_start,
      connect.keep_alive_s, connect.user_name ? " user=" + shown(*connect.user_name) : "",
      connect.password ? " password" : "",
      connect.will ? " will=" + shown(connect.will->topic) : "", shown(connect.properties));
}
std::string line(const Connack& connack) {
  return fmt::format("CONNACK reason={} session={:d}{}", shown(connack.reason),
                     connack.session_present, shown(connack.properties));
}
std::string line(const Publish& publish) {
  return fmt::format("PUBLISH id={} qos={} topic={} {} B{}{}{}", publish.packet_id,
                     std::to_underlying(publish.qos), shown(publish.topic), publish.payload.size(),
                     publish.duplicate ? " dup" : "", publish.retain ? " retain" : "",
                     shown(publish.properties));
}
std::string line(const Ack& ack) {
  static constexpr std::array kNames = {"PUBACK", "PUBREC", "PUBREL", "PUBCOMP"};
  return fmt::format("{} id={} reason={}{}", kNames.at(std::to_underlying(ack.kind) - 4U),
                     ack.packet_id, shown(ack.reason), shown(ack.properties));
}
std::string line(const Subscribe& subscribe) {
  const auto show = [](const TopicRequest& topic) {
    return fmt::format("{}:{}", shown(topic.filter), std::to_underlying(topic.qos));
  };
  return fmt::format("SUBSCRIBE id={} {}{}", subscribe.packet_id,
                     shown_list(subscribe.topics, show), shown(subscribe.properties));
}
std::string line(const Suback& suback) {
  return fmt::format("SUBACK id={} {}{}", suback.packet_id,
                     shown_list(suback.reasons, [](Reason reason) { return shown(reason); }),
                     shown(suback.properties));
}
std::string line(const Unsubscribe& unsubscribe) {
  return fmt::format("UNSUBSCRIBE id={} {}{}", unsubscribe.packet_id,
                     shown_list(unsubscribe.filters, [](const auto& text) { return shown(text); }),
                     shown(unsubscribe.properties));
}
std::string line(const Unsuback& unsuback) {
  return fmt::format("UNSUBACK id={} {}{}", unsuback.packet_id,
                     shown_list(unsuback.reasons, [](Reason reason) { return shown(reason); }),
                     shown(unsuback.properties));
}
std::string line(const Pingreq&) { return "PINGREQ"; }
std::string line(const Pingresp&) { return "PINGRESP"; }
std::string line(const Disconnect& disconnect) {
  return fmt::format("DISCONNECT reason={}{}", shown(disconnect.reason),
                     shown(disconnect.properties));
}
std::string line(const Auth& auth) {
  return fmt::format("AUTH reason={}{}", shown(auth.reason), shown(auth.properties));
}

}  // namespace

std::string to_line(const Packet& packet) {
  return std::visit([](const auto& value) { return line(value); }, packet);
}

}  // namespace wakeline::wire::mqtt
