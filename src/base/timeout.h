// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "base/time.h"

namespace wakeline::base {

/// No span that is asked for is longer: ten years, so that sums with an instant stay on the clock.
inline constexpr Duration kSpanMax = std::chrono::hours(24 * 3650);

/// What a caller from outside asks for, of any unit, as a span from zero to kSpanMax.
template <class Rep, class Period>
constexpr Duration bounded(std::chrono::duration<Rep, Period> asked) {
  using Asked = std::chrono::duration<Rep, Period>;
  if (asked <= Asked::zero()) return Duration::zero();
  if (asked >= std::chrono::duration_cast<Asked>(kSpanMax)) return kSpanMax;
  return std::chrono::duration_cast<Duration>(asked);
}

}  // namespace wakeline::base
