// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/time.h"

namespace wakeline::io {

/// CLOCK_BOOTTIME: counts system sleep (C18).
base::Instant now();
/// How long the machine has slept since its boot: CLOCK_BOOTTIME less CLOCK_MONOTONIC. Two readings
/// without a sleep between them differ by some microseconds.
base::Duration time_asleep();
/// CLOCK_REALTIME.
base::WallTime wall_now();
/// 64 bits of the kernel's randomness, to seed `base::Random` and to make ids.
std::uint64_t random_seed();

}  // namespace wakeline::io
