// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace wakeline::wire {

inline constexpr std::size_t kPortsMax = 16;  ///< of one rule

/// Which connections of a program that knows nothing of us are worth waking for: all, or those with
/// one of these ports at either end. Neither: none.
struct SocketRule {
  bool all = false;
  std::vector<std::uint16_t> ports;  ///< sorted, each once; empty where `all`

  bool empty() const { return !all && ports.empty(); }
  bool matches(std::uint16_t local_port, std::uint16_t remote_port) const;
  friend bool operator==(const SocketRule&, const SocketRule&) = default;
};

/// Reads "all" or "tcp:5060,5061". The error is a sentence.
std::expected<SocketRule, std::string> parse_socket_rule(std::string_view text);
/// The text that parse_socket_rule reads as `rule`; empty for an empty one.
std::string to_string(const SocketRule& rule);

/// UDP ports at which a program has its media while it is in a call; of its own end. Without one:
/// first = 0.
struct MediaRule {
  std::uint16_t first = 0;
  std::uint16_t last = 0;

  bool empty() const { return first == 0; }
  bool matches(std::uint16_t local_port) const {
    return !empty() && first <= local_port && local_port <= last;
  }
  friend bool operator==(const MediaRule&, const MediaRule&) = default;
};

/// Reads "udp:20000-20200" or "udp:4000". The error is a sentence.
std::expected<MediaRule, std::string> parse_media_rule(std::string_view text);
/// The text that parse_media_rule reads as `rule`; empty for an empty one.
std::string to_string(const MediaRule& rule);

}  // namespace wakeline::wire
