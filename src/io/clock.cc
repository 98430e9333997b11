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

base::WallTime wall_now() { return base::WallTime(read_clock(CLOCK_REALTIME)); }

std::uint64_t random_seed() {
  std::uint64_t seed = 0;
  // Up to 256 bytes are never cut short once the pool is initialised (getrandom(2)).
  WL_CHECK(getrandom(&seed, sizeof seed, 0) == sizeof seed);
  return seed;
}

}  // namespace wakeline::io
