// SPDX-License-Identifier: Apache-2.0
#include "host/run_note.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>
#include <ranges>
#include <vector>

#include "wire/manifest.h"

namespace wakeline::host {
namespace {

using base::Duration;
using base::Instant;

constexpr std::string_view kForeground = "foreground";
constexpr std::string_view kClosed = "closed";
constexpr std::string_view kKeepAlive = "keep_alive";
constexpr std::string_view kWake = "wake";
constexpr std::string_view kLimiter = "limiter";
constexpr std::string_view kBudget = "budget";
constexpr std::string_view kAllowance = "allowance";

constexpr std::size_t kNumbersMax = 1 + doze::Limiter::kWakesLeft;
/// The longest wait that a message can ask for (RequestWake: 32 bits of milliseconds).
constexpr Duration kWakeMax = std::chrono::milliseconds(UINT32_MAX);
/// More than any profile has in a day.
constexpr std::int64_t kTakenMax = 1'000'000;

std::int64_t number(Instant at) { return at.time_since_epoch().count(); }

using Numbers = std::vector<std::int64_t>;

/// "1,2,3": none below zero. Nullopt for anything else.
std::optional<Numbers> read_numbers(std::string_view text) {
  Numbers numbers;
  while (numbers.size() < kNumbersMax) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || value < 0) return std::nullopt;
    numbers.push_back(value);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.empty()) return numbers;
    if (text.front() != ',') return std::nullopt;
    text.remove_prefix(1);
  }
  return std::nullopt;
}

Instant instant(std::int64_t value) { return Instant(Duration(value)); }

void read_limiter(const Numbers& numbers, Instant now, doze::Earlier& earlier) {
  doze::Limiter::Past past;
  past.doublings = static_cast<int>(std::min<std::int64_t>(numbers.front(), INT16_MAX));
  for (const std::int64_t wake : numbers | std::views::drop(1)) {
    past.wakes.push_back(instant(wake));
  }
  const bool past_only = past.wakes.empty() || past.wakes.back() <= now;
  if (past_only && std::ranges::is_sorted(past.wakes)) earlier.limiter = std::move(past);
}

void read_word(std::string_view key, const Numbers& numbers, Instant now, doze::Earlier& earlier) {
  const std::size_t count = numbers.size();
  if (key == kKeepAlive && count == 1) {
    const auto most = base::saturating_add(now, std::chrono::seconds(wire::kTimeoutMaxS));
    if (instant(numbers[0]) <= most) earlier.keep_alive_latest = instant(numbers[0]);
  } else if (key == kWake && count == 2 && earlier.wakes.size() < doze::kWakesMax) {
    const doze::WakeRequests::Window window{instant(numbers[0]), instant(numbers[1])};
    const bool good =
        window.earliest <= window.latest && window.latest <= base::saturating_add(now, kWakeMax);
    if (good) earlier.wakes.push_back(window);
  } else if (key == kLimiter) {
    read_limiter(numbers, now, earlier);
  } else if (key == kBudget && count == 3 && instant(numbers[1]) <= now && numbers[2] <= 1) {
    earlier.budget = {Duration(numbers[0]), instant(numbers[1]), numbers[2] == 1};
  } else if (key == kAllowance && count == 2 && instant(numbers[0]) <= now && numbers[1] >= 1 &&
             numbers[1] <= kTakenMax) {
    earlier.allowance = {instant(numbers[0]), static_cast<int>(numbers[1])};
  }
}

}  // namespace

std::string write_note(const doze::Earlier& earlier) {
  std::string text;
  const auto out = std::back_inserter(text);
  if (earlier.foreground) fmt::format_to(out, "{} ", kForeground);
  if (earlier.closed) fmt::format_to(out, "{} ", kClosed);
  if (earlier.keep_alive_latest != base::kNever) {
    fmt::format_to(out, "{}={} ", kKeepAlive, number(earlier.keep_alive_latest));
  }
  for (const auto& wake : earlier.wakes) {
    fmt::format_to(out, "{}={},{} ", kWake, number(wake.earliest), number(wake.latest));
  }
  if (earlier.limiter != doze::Limiter::Past{}) {
    fmt::format_to(out, "{}={}", kLimiter, earlier.limiter.doublings);
    for (const Instant wake : earlier.limiter.wakes) fmt::format_to(out, ",{}", number(wake));
    text += ' ';
  }
  if (const auto& budget = earlier.budget; budget != doze::RunBudget::Past{}) {
    fmt::format_to(out, "{}={},{},{} ", kBudget, budget.used.count(), number(budget.since),
                   budget.runs ? 1 : 0);
  }
  if (const auto& allowance = earlier.allowance; allowance.taken > 0) {
    fmt::format_to(out, "{}={},{} ", kAllowance, number(allowance.day_start), allowance.taken);
  }
  if (!text.empty()) text.pop_back();
  return text;
}

doze::Earlier read_note(std::string_view text, Instant now) {
  doze::Earlier earlier;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word == kForeground) earlier.foreground = true;
    if (word == kClosed) earlier.closed = true;
    const auto equals = word.find('=');
    if (equals == std::string_view::npos) continue;
    const auto numbers = read_numbers(word.substr(equals + 1));
    if (numbers) read_word(word.substr(0, equals), *numbers, now, earlier);
  }
  return earlier;
}

}  // namespace wakeline::host
