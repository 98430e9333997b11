// SPDX-License-Identifier: Apache-2.0
#include "core/link/memory.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

namespace wakeline::link {
namespace {

using base::ErrorCode;

constexpr std::string_view kMagic = "wakeline-link";
constexpr std::string_view kVersion = "1";

/// Source: Fowler, Noll and Vo; FNV-1a with 64 bits.
std::uint64_t checksum(std::string_view text) {
  std::uint64_t hash = 0xCBF2'9CE4'8422'2325ULL;
  for (const char c : text) {
    hash ^= static_cast<std::uint8_t>(c);
    hash *= 0x0000'0100'0000'01B3ULL;
  }
  return hash;
}

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

/// "3 17 18", rising, each below `high`; empty for none.
bool read_list(std::string_view text, Sequence high, std::vector<Sequence>& list) {
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    const auto value = number<Sequence>(text.substr(0, end));
    if (!value || *value == 0 || *value >= high || list.size() == kUnacceptedMax) return false;
    if (!list.empty() && *value <= list.back()) return false;
    list.push_back(*value);
    if (end + 1 == text.size()) return false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

}  // namespace

std::string encode(const Memory& memory) {
  std::string text = fmt::format(
      "{} {}\nepoch {:x}\naccepted {}\nunaccepted {}\nattempts {}\nspread_ms {}\nnot_before_ns "
      "{}\n",
      kMagic, kVersion, memory.epoch, memory.accepted_high, fmt::join(memory.unaccepted, " "),
      memory.attempts, memory.spread / std::chrono::milliseconds(1),
      memory.not_before.time_since_epoch().count());
  text += fmt::format("checksum {:016x}\n", checksum(text));
  return text;
}

base::Result<Memory> decode_memory(std::string_view text) {
  const auto malformed = base::fail(ErrorCode::kMalformed, "link.memory");
  if (text.size() > kMemoryTextMax) return base::fail(ErrorCode::kTooLarge, "link.memory");
  Lines lines(text);
  const auto version = lines.take(kMagic);
  if (!version) return malformed;
  if (*version != kVersion) return base::fail(ErrorCode::kUnsupported, "link.memory");

  Memory memory;
  std::int64_t spread_ms = 0;
  std::int64_t not_before_ns = 0;
  if (!lines.read("epoch", memory.epoch, 16) || !lines.read("accepted", memory.accepted_high))
    return malformed;
  const auto list = lines.take("unaccepted");
  if (!list || !read_list(*list, memory.accepted_high, memory.unaccepted)) return malformed;
  if (!lines.read("attempts", memory.attempts) || !lines.read("spread_ms", spread_ms) ||
      !lines.read("not_before_ns", not_before_ns))
    return malformed;
  constexpr std::int64_t kSpreadMsMax = 86'400'000;  // a day: far over any that is stored
  if (spread_ms < 0 || spread_ms > kSpreadMsMax || not_before_ns < 0) return malformed;
  memory.spread = std::chrono::milliseconds(spread_ms);
  memory.not_before = Instant(Duration(not_before_ns));

  const std::size_t end = text.rfind("checksum ");
  std::uint64_t sum = 0;
  if (!lines.read("checksum", sum, 16) || !lines.empty()) return malformed;
  if (sum != checksum(text.substr(0, end))) return malformed;
  return memory;
}

}  // namespace wakeline::link
