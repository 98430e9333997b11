// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace wakeline::wire {

/// What no TOML has, and where; lines count from 1.
struct TomlFault {
  std::uint32_t line;
  std::string_view what;  ///< a sentence, which lives for ever
  friend bool operator==(const TomlFault&, const TomlFault&) = default;
};

/// The same document in ASCII, line by line: a character of a string as its escape, one of a
/// comment as "?". toml++ 3.3, which reports a fault with the word that it stands in, runs into
/// undefined behaviour where that word has other characters: give its parser this. Errors: a
/// character beyond ASCII outside of strings and comments, of which TOML 1.0 allows none (after a
/// byte order mark), or behind a backslash; bytes that are no UTF-8.
std::expected<std::string, TomlFault> ascii_toml(std::string_view text);

}  // namespace wakeline::wire
