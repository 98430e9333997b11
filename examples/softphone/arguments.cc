// SPDX-License-Identifier: Apache-2.0
#include "arguments.h"

#include <charconv>
#include <cstdlib>
#include <string_view>

namespace {

constexpr int kRegistrationLives = 3;  // keep-alive windows; two of them may fail

std::optional<int> number_of(std::string_view text, int least, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (value < least || value > most) return std::nullopt;
  return value;
}

bool take_option(std::string_view word, Arguments& out) {
  const std::size_t equals = word.find('=');
  if (equals == std::string_view::npos) return false;
  const std::string_view key = word.substr(0, equals);
  const std::string_view value = word.substr(equals + 1);
  if (key == "transport") {
    out.account.tls = value == "tls";
    return value == "tcp" || value == "tls";
  }
  if (key == "ca") {
    out.account.ca_file = value;
    return !value.empty();
  }
  if (key == "keep_alive") {
    const auto seconds = number_of(value, 1, 86'400);
    if (seconds) out.keep_alive = std::chrono::seconds(*seconds);
    return seconds.has_value();
  }
  if (key == "ring_age_ms") {
    const auto age = number_of(value, 1, 600'000);
    if (age) out.account.ring_age = std::chrono::milliseconds(*age);
    return age.has_value();
  }
  return false;
}

}  // namespace

std::optional<Arguments> parse_arguments(int count, char** words) {
  if (count < 2) return std::nullopt;
  Arguments out;
  const std::string_view account = words[1];
  const std::size_t at = account.find('@');
  const std::size_t colon = account.rfind(':');
  if (at == std::string_view::npos || at == 0 || colon == std::string_view::npos || colon < at) {
    return std::nullopt;
  }
  const auto port = number_of(account.substr(colon + 1), 1, 65'535);
  if (!port) return std::nullopt;
  out.account.user = account.substr(0, at);
  out.account.host = account.substr(at + 1, colon - at - 1);
  out.account.port = static_cast<std::uint16_t>(*port);
  for (int i = 2; i < count; ++i) {
    if (!take_option(words[i], out)) return std::nullopt;
  }
  out.account.expires = kRegistrationLives * out.keep_alive;
  if (const char* password = std::getenv("SOFTPHONE_PASSWORD")) out.account.password = password;
  return out;
}
