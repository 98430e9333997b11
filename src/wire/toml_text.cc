// SPDX-License-Identifier: Apache-2.0
#include "wire/toml_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "base/bytes.h"

namespace wakeline::wire {
namespace {

constexpr std::string_view kStray =
    "a character that is not ASCII stands outside of quotes and comments";
constexpr std::string_view kNoEscape = "a backslash stands before a character that is not ASCII";
constexpr std::string_view kNoUtf8 = "the text is not UTF-8";

bool beyond_ascii(char c) { return static_cast<unsigned char>(c) > 0x7F; }

/// Where the string that begins at `at` with its quotes ends, behind them; an unfinished one ends
/// with its line, or with the text.
std::size_t end_of_string(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const std::string_view three = text.substr(at, 3);
  const bool multi = three.size() == 3 && three[1] == quote && three[2] == quote;
  for (std::size_t i = at + (multi ? 3 : 1); i < text.size(); ++i) {
    if (text[i] == '\\' && quote == '"') {
      ++i;
      if (!multi && i < text.size() && text[i] == '\n') return i;
      continue;
    }
    if (!multi && text[i] == '\n') return i;
    if (text[i] != quote) continue;
    if (!multi) return i + 1;
    std::size_t run = 0;
    while (i + run < text.size() && text[i + run] == quote) ++run;
    // Up to two quotes before the closing three belong to the string (TOML 1.0, "String").
    if (run >= 3) return i + std::min<std::size_t>(run, 5);
    i += run - 1;
  }
  return text.size();
}

/// The escape of the character that begins at `at`, which is moved behind it; the text is UTF-8.
std::string escape_at(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(text[i]) & 0xFF; };
  const std::uint32_t first = byte(at);
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  std::uint32_t code = first & (0x7FU >> size);
  for (std::size_t i = 1; i < size; ++i) code = code << 6 | (byte(at + i) & 0x3F);
  at += size;
  return fmt::format("\\U{:08X}", code);
}

/// A string in double quotes. Returns: false at a backslash before a character beyond ASCII.
bool add_basic(std::string_view string, std::string& out) {
  for (std::size_t i = 0; i < string.size();) {
    if (beyond_ascii(string[i])) {
      out += escape_at(string, i);
      continue;
    }
    const bool escapes = string[i] == '\\' && i + 1 < string.size();
    out += string[i++];
    if (!escapes) continue;
    if (beyond_ascii(string[i])) return false;
    out += string[i++];
  }
  return true;
}

/// A string in single quotes, which has no escapes: in double ones.
void add_literal(std::string_view string, std::string& out) {
  const std::size_t quotes = string.starts_with("'''") ? 3 : 1;
  const std::string_view closing = string.substr(0, quotes);
  const bool finished = string.size() >= 2 * quotes && string.ends_with(closing);
  out.append(quotes, '"');
  const std::size_t end = string.size() - (finished ? quotes : 0);
  for (std::size_t i = quotes; i < end;) {
    if (beyond_ascii(string[i])) {
      out += escape_at(string, i);
      continue;
    }
    if (string[i] == '"' || string[i] == '\\') out += '\\';
    out += string[i++];
  }
  if (finished) out.append(quotes, '"');
}

}  // namespace

std::expected<std::string, TomlFault> ascii_toml(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  const auto fault = [&](std::size_t at, std::string_view what) {
    const auto end = text.begin() + static_cast<std::ptrdiff_t>(at);
    return std::unexpected(
        TomlFault{1 + static_cast<std::uint32_t>(std::count(text.begin(), end, '\n')), what});
  };
  if (std::ranges::none_of(text, beyond_ascii)) return std::string(text);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    if (!base::is_utf8(text.substr(at, end - at))) return fault(at, kNoUtf8);
    at = end;
  }
  std::string out;
  out.reserve(text.size());
  std::size_t at = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  while (at < text.size()) {
    if (beyond_ascii(text[at])) return fault(at, kStray);
    if (text[at] == '#') {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      for (; at < end; ++at) out += beyond_ascii(text[at]) ? '?' : text[at];
    } else if (text[at] == '"' || text[at] == '\'') {
      const std::size_t end = end_of_string(text, at);
      const std::string_view string = text.substr(at, end - at);
      if (std::ranges::none_of(string, beyond_ascii)) {
        out += string;
      } else if (text[at] == '\'') {
        add_literal(string, out);
      } else if (!add_basic(string, out)) {
        return fault(at, kNoEscape);
      }
      at = end;
    } else {
      out += text[at++];
    }
  }
  return out;
}

}  // namespace wakeline::wire
