// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>

namespace wakeline::base {

/// A number that cannot be mixed up with another kind of number; 0 is "none".
template <class Tag>
struct StrongId {
  std::uint64_t value = 0;

  constexpr explicit operator bool() const { return value != 0; }
  friend constexpr auto operator<=>(const StrongId&, const StrongId&) = default;
};

}  // namespace wakeline::base
