// SPDX-License-Identifier: Apache-2.0
#include "host/run_note.h"

#include <charconv>

#include "wire/manifest.h"

namespace wakeline::host {
namespace {

constexpr std::string_view kForeground = "foreground";
constexpr std::string_view kKeepAlive = "keep_alive=";

}  // namespace

std::string write_note(const doze::Earlier& earlier) {
  std::string text;
  if (earlier.foreground) text = kForeground;
  if (earlier.keep_alive_latest == base::kNever) return text;
  if (!text.empty()) text += ' ';
  text += kKeepAlive;
  return text + std::to_string(earlier.keep_alive_latest.time_since_epoch().count());
}

doze::Earlier read_note(std::string_view text, base::Instant now) {
  doze::Earlier earlier;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word == kForeground) earlier.foreground = true;
    if (!word.starts_with(kKeepAlive)) continue;
    const std::string_view digits = word.substr(kKeepAlive.size());
    std::int64_t ns = 0;
    const auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), ns);
    const bool whole = error == std::errc() && rest == digits.data() + digits.size() && ns >= 0;
    const base::Instant latest{base::Duration(ns)};
    const auto most = base::saturating_add(now, std::chrono::seconds(wire::kTimeoutMaxS));
    if (whole && latest <= most) earlier.keep_alive_latest = latest;
  }
  return earlier;
}

}  // namespace wakeline::host
