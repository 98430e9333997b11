// SPDX-License-Identifier: Apache-2.0
#include "wire/socket_rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "wire/quote.h"

namespace wakeline::wire {
namespace {

constexpr std::string_view kTcp = "tcp:";
constexpr std::string_view kUdp = "udp:";

std::optional<std::uint16_t> parse_port(std::string_view word) {
  std::uint16_t port = 0;
  const char* const end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data(), end, port);
  if (word.empty() || error != std::errc() || stop != end || port == 0) return std::nullopt;
  return port;
}

std::string no_port(std::string_view word) {
  return fmt::format("{} is no port from 1 to 65535", quoted(word));
}

}  // namespace

bool SocketRule::matches(std::uint16_t local_port, std::uint16_t remote_port) const {
  return all || std::ranges::binary_search(ports, local_port) ||
         std::ranges::binary_search(ports, remote_port);
}

std::expected<SocketRule, std::string> parse_socket_rule(std::string_view text) {
  SocketRule rule;
  if (text == "all") {
    rule.all = true;
    return rule;
  }
  if (!text.starts_with(kTcp)) {
    return std::unexpected(fmt::format("{} is neither 'all' nor 'tcp:PORT,PORT'", quoted(text)));
  }
  std::string_view rest = text.substr(kTcp.size());
  for (bool last = false; !last;) {
    const std::size_t comma = rest.find(',');
    const std::string_view word = rest.substr(0, comma);
    last = comma == std::string_view::npos;
    rest.remove_prefix(last ? rest.size() : comma + 1);
    const auto port = parse_port(word);
    if (!port) return std::unexpected(no_port(word));
    rule.ports.push_back(*port);
    if (rule.ports.size() > kPortsMax) {
      return std::unexpected(fmt::format("more than {} ports; 'all' takes every one", kPortsMax));
    }
  }
  std::ranges::sort(rule.ports);
  const auto twice = std::ranges::unique(rule.ports);
  rule.ports.erase(twice.begin(), twice.end());
  return rule;
}

std::string to_string(const SocketRule& rule) {
  if (rule.all) return "all";
  if (rule.ports.empty()) return {};
  return fmt::format("{}{}", kTcp, fmt::join(rule.ports, ","));
}

std::expected<MediaRule, std::string> parse_media_rule(std::string_view text) {
  if (!text.starts_with(kUdp)) {
    return std::unexpected(
        fmt::format("{} is neither 'udp:PORT-PORT' nor 'udp:PORT'", quoted(text)));
  }
  const std::string_view ports = text.substr(kUdp.size());
  const std::size_t dash = ports.find('-');
  const std::string_view first_word = ports.substr(0, dash);
  const std::string_view last_word =
      dash == std::string_view::npos ? first_word : ports.substr(dash + 1);
  const auto first = parse_port(first_word);
  if (!first) return std::unexpected(no_port(first_word));
  const auto last = parse_port(last_word);
  if (!last) return std::unexpected(no_port(last_word));
  if (*last < *first)
    return std::unexpected(fmt::format("{} ends before it begins", quoted(ports)));
  return MediaRule{*first, *last};
}

std::string to_string(const MediaRule& rule) {
  if (rule.empty()) return {};
  if (rule.first == rule.last) return fmt::format("{}{}", kUdp, rule.first);
  return fmt::format("{}{}-{}", kUdp, rule.first, rule.last);
}

}  // namespace wakeline::wire
