// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace wakeline::link {

inline constexpr std::uint64_t kFnvStart = 0xCBF2'9CE4'8422'2325ULL;

/// FNV-1a with 64 bits, for tears and mix-ups, not against an enemy. `hash`: of what came before.
/// Source: Fowler, Noll and Vo.
constexpr std::uint64_t fnv(std::string_view text, std::uint64_t hash = kFnvStart) {
  for (const char c : text) {
    hash ^= static_cast<std::uint8_t>(c);
    hash *= 0x0000'0100'0000'01B3ULL;
  }
  return hash;
}

}  // namespace wakeline::link
