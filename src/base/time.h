// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

namespace wakeline::base {

/// A span of time in nanoseconds.
using Duration = std::chrono::nanoseconds;

/// The clock of `Instant`: counts on while the machine sleeps, as CLOCK_BOOTTIME does.
/// It has no `now()`: code that holds only this header cannot read a clock. `io/clock.h` reads it.
struct BootClock {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = Duration;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};

/// The clock of `WallTime`: nanoseconds since 1970 in UTC; it may jump. No `now()` either.
struct WallClock {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = Duration;
  using time_point = std::chrono::time_point<WallClock>;
  static constexpr bool is_steady = false;
};

using Instant = BootClock::time_point;
using WallTime = WallClock::time_point;

/// Later than every instant that happens; "no deadline".
inline constexpr Instant kNever = Instant::max();

/// Adds without overflow: what would pass the end of the clock is `kNever`.
constexpr Instant saturating_add(Instant at, Duration span) {
  if (span > Duration::zero() && at > kNever - span) return kNever;
  return at + span;
}

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
