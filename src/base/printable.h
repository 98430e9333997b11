// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

/// Text of others, so that it steers no terminal and forges no line, wherever it is printed.
namespace wakeline::base {

/// UTF-8 stays as it is; control characters (C0, DEL, C1) become "\n", "\r", "\t", "\x1b" or
/// "\u009b", and bytes that are no UTF-8 "\xff". The result is UTF-8 in one line.
std::string printable(std::string_view text);

/// The same for JSON, whose strings can hold DEL and C1 as they are: they become "\u007f", which
/// means the same, and bytes that are no UTF-8 U+FFFD. White space between the values stays.
std::string printable_json(std::string_view json);

}  // namespace wakeline::base
