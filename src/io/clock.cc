// SPDX-License-Identifier: Apache-2.0
#include "io/clock.h"

#include <sys/random.h>
#include <time.h>

#include "base/check.h"

namespace wakeline::io {
namespace {

base::Duration read_clock(clockid_t id) {
  timespec time{};
  WL_CHECK(clock_gettime(id, &time) == 0);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

base::Instant now() { return base::Instant(read_clock(CLOCK_BOOTTIME)); }

base::Duration time_asleep() {
  // Between the two clocks the processor may be lost: of a few readings the tightest counts.
  constexpr int kTries = 5;
  constexpr base::Duration kTight = std::chrono::microseconds(50);
  base::Duration best_gap = base::Duration::max();
  base::Duration asleep{};
  for (int i = 0; i < kTries && best_gap > kTight; ++i) {
    const base::Duration before = read_clock(CLOCK_MONOTONIC);
    const base::Duration boot = read_clock(CLOCK_BOOTTIME);
    const base::Duration gap = read_clock(CLOCK_MONOTONIC) - before;
    if (gap >= best_gap) continue;
    best_gap = gap;
    asleep = boot - before;
  }
  return asleep;
}

base::WallTime wall_now() { return base::WallTime(read_clock(CLOCK_REALTIME)); }

std::uint64_t random_seed() {
  std::uint64_t seed = 0;
  // Up to 256 bytes are never cut short once the pool is initialised (getrandom(2)).
  WL_CHECK(getrandom(&seed, sizeof seed, 0) == sizeof seed);
  return seed;
}

}  // namespace wakeline::io
