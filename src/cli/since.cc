// SPDX-License-Identifier: Apache-2.0
#include "cli/since.h"

#include <charconv>
#include <ctime>
#include <string>

namespace wakeline::cli {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::optional<std::int64_t> span_of(std::string_view text) {
  constexpr std::int64_t kNumberMax = 1'000'000;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0 || number > kNumberMax) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (unit == "s") return number * kSecond;
  if (unit == "min") return number * 60 * kSecond;
  if (unit == "h") return number * 3'600 * kSecond;
  if (unit == "d") return number * 86'400 * kSecond;
  return std::nullopt;
}

}  // namespace

std::optional<std::int64_t> since(std::string_view text, std::int64_t now_ns) {
  if (const auto span = span_of(text)) return now_ns - *span;
  const std::string whole(text);
  for (const char* form :
       {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%H:%M:%S", "%H:%M"}) {
    std::tm local{};
    const bool today = form[1] == 'H';
    if (today) {
      const std::time_t now = now_ns / kSecond;
      ::localtime_r(&now, &local);
      local.tm_hour = local.tm_min = local.tm_sec = 0;
    }
    const char* const end = ::strptime(whole.c_str(), form, &local);
    if (end == nullptr || *end != '\0') continue;
    local.tm_isdst = -1;
    return static_cast<std::int64_t>(std::mktime(&local)) * kSecond;
  }
  return std::nullopt;
}

}  // namespace wakeline::cli
