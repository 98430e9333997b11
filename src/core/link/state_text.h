// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "core/link/types.h"

/// Readers for the texts of what outlives the process: lines "key value", values of words.
namespace wakeline::link {

/// Nothing where `text` is not that number alone.
template <class Number>
std::optional<Number> number(std::string_view text, int base = 10) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Takes the lines of a text in their one order.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}

  /// The value of the next line, which has that key; nullopt for any other line.
  std::optional<std::string_view> take(std::string_view key) {
    const auto end = rest_.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    if (!line.starts_with(key)) return std::nullopt;
    line.remove_prefix(key.size());
    if (!line.starts_with(' ')) return std::nullopt;
    return line.substr(1);
  }
  template <class Number>
  bool read(std::string_view key, Number& value, int base = 10) {
    const auto text = take(key);
    const auto read = text ? number<Number>(*text, base) : std::nullopt;
    if (read) value = *read;
    return read.has_value();
  }
  bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

/// The words of one line.
class Words {
 public:
  explicit Words(std::string_view text) : rest_(text) {}

  std::optional<std::string_view> take() {
    if (at_end_) return std::nullopt;
    const auto end = std::min(rest_.find(' '), rest_.size());
    const std::string_view word = rest_.substr(0, end);
    at_end_ = end == rest_.size();
    rest_.remove_prefix(at_end_ ? end : end + 1);
    return word;
  }
  template <class Number>
  bool read(Number& value) {
    const auto word = take();
    const auto read = word ? number<Number>(*word) : std::nullopt;
    if (read) value = *read;
    return read.has_value();
  }
  bool read(bool& value) {
    std::uint8_t bit = 0;
    const bool fine = read(bit) && bit <= 1;
    value = bit == 1;
    return fine;
  }
  bool read(Duration& value) {
    std::int64_t ns = 0;
    if (!read(ns) || ns < 0) return false;
    value = Duration(ns);
    return true;
  }
  bool empty() const { return at_end_; }

 private:
  std::string_view rest_;
  bool at_end_ = false;
};

/// Instants as the wall clock had them; zero and kNever stay what they are.
class Clock {
 public:
  explicit Clock(Duration boot_to_wall) : boot_to_wall_(boot_to_wall) {}

  std::int64_t text(Instant at) const {
    return (special(at) ? at : at + boot_to_wall_).time_since_epoch().count();
  }
  /// A time that this boot clock has not is its beginning.
  bool read(Words& words, Instant& at) const {
    Duration since_epoch{};
    if (!words.read(since_epoch)) return false;
    at = Instant(since_epoch);
    if (!special(at)) at = std::max(base::saturating_add(at, -boot_to_wall_), Instant(Duration(1)));
    return true;
  }

 private:
  static bool special(Instant at) { return at == Instant{} || at == base::kNever; }
  Duration boot_to_wall_;
};

}  // namespace wakeline::link
