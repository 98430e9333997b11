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

}  // namespace wakeline::wire
