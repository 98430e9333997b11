// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace wakeline::wire {

/// Bytes of a foreign word that a message repeats.
inline constexpr std::size_t kQuotedMax = 64;

/// The first kQuotedMax bytes, cut between two characters, control characters as '?'. UTF-8 stays
/// UTF-8.
std::string shortened(std::string_view foreign);
/// The same in single quotes, with "..." where it was cut.
std::string quoted(std::string_view foreign);

}  // namespace wakeline::wire
