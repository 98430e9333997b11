// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace wakeline::wire {

/// What to say of a file that stray_toml_line refuses.
inline constexpr std::string_view kStrayToml =
    "a character that is not ASCII stands outside of quotes and comments";

/// The line, from 1, of the first byte over 0x7F outside of strings and comments. TOML 1.0 allows
/// none there (after a byte order mark), and toml++ 3.3, when it looks whether such a character is
/// white space, runs into undefined behaviour: ask this before its parser.
std::optional<std::uint32_t> stray_toml_line(std::string_view text);

}  // namespace wakeline::wire
