// SPDX-License-Identifier: Apache-2.0
#include "wire/sip_ping.h"

#include <algorithm>
#include <optional>

namespace wakeline::wire {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr std::string_view kMethod = "OPTIONS ";
constexpr std::string_view kVersion = " SIP/2.0";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_word(std::string_view text, std::string_view lower_case) {
  return std::ranges::equal(text, lower_case, {}, lower);
}

/// A parameter "tag = x", or what may be one.
bool may_have_tag(std::string_view text) {
  constexpr std::string_view kTag = "tag";
  for (;;) {
    const auto found = std::ranges::search(text, kTag, {}, lower);
    if (found.empty()) return false;
    text.remove_prefix(static_cast<std::size_t>(found.end() - text.begin()));
    const std::size_t next = text.find_first_not_of(" \t");
    if (next != std::string_view::npos && text[next] == '=') return true;
  }
}

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

/// "OPTIONS uri SIP/2.0"
bool is_request_line(std::string_view line) {
  if (!line.starts_with(kMethod) || !line.ends_with(kVersion)) return false;
  if (line.size() <= kMethod.size() + kVersion.size()) return false;
  line.remove_prefix(kMethod.size());
  line.remove_suffix(kVersion.size());
  return std::ranges::none_of(line, [](char c) { return c <= ' ' || c == 0x7f; });
}

/// The size of the ping that `bytes` begin with; nullopt: it is none, or not all of it.
std::optional<std::size_t> request_size(std::string_view bytes) {
  const std::string_view view = bytes.substr(0, kPingRequestMax);
  const std::size_t end = view.find(kHeadEnd);
  if (end == std::string_view::npos) return std::nullopt;
  std::string_view head = view.substr(0, end + kLineEnd.size());
  bool first = true;
  bool length_known = false;
  while (!head.empty()) {
    const std::size_t stop = head.find(kLineEnd);
    const std::string_view line = head.substr(0, stop);
    head.remove_prefix(stop + kLineEnd.size());
    if (first) {
      if (!is_request_line(line)) return std::nullopt;
      first = false;
      continue;
    }
    const std::size_t colon = line.find(':');
    // A continued line would hide what its field says.
    if (colon == std::string_view::npos || line.front() == ' ' || line.front() == '\t') {
      return std::nullopt;
    }
    const std::string_view name = trimmed(line.substr(0, colon));
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (same_word(name, "content-length") || same_word(name, "l")) {
      if (length_known || value != "0") return std::nullopt;
      length_known = true;
    } else if (same_word(name, "to") || same_word(name, "t")) {
      if (may_have_tag(value)) return std::nullopt;
    } else if (same_word(name, "require")) {
      return std::nullopt;
    }
  }
  // Over TCP it must be there; without it nobody knows where the next message begins.
  if (!length_known) return std::nullopt;
  return end + kHeadEnd.size();
}

}  // namespace

bool holds_only_sip_pings(std::string_view bytes) {
  if (bytes.empty() || bytes.size() > kPingBytesMax) return false;
  while (!bytes.empty()) {
    if (bytes.starts_with(kLineEnd)) {
      bytes.remove_prefix(kLineEnd.size());
      continue;
    }
    const auto size = request_size(bytes);
    if (!size) return false;
    bytes.remove_prefix(*size);
  }
  return true;
}

}  // namespace wakeline::wire
