// SPDX-License-Identifier: Apache-2.0
#include "wire/toml_text.h"

#include <algorithm>
#include <cstddef>

namespace wakeline::wire {
namespace {

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

}  // namespace

std::optional<std::uint32_t> stray_toml_line(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  std::size_t at = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  while (at < text.size()) {
    if (static_cast<unsigned char>(text[at]) > 0x7F)
      return 1 + static_cast<std::uint32_t>(std::count(
                     text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
    if (text[at] == '#') {
      at = std::min(text.find('\n', at), text.size());
    } else if (text[at] == '"' || text[at] == '\'') {
      at = end_of_string(text, at);
    } else {
      ++at;
    }
  }
  return std::nullopt;
}

}  // namespace wakeline::wire
