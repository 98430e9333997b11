// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

/// For a program of the tests, in its one source: its wall clock is off by as many seconds as this
/// points to. Null: by none.
inline std::atomic<const std::atomic<std::int64_t>*> clock_offset = nullptr;

// In the place of the C library's.
extern "C" int clock_gettime(clockid_t clock, timespec* into) noexcept {
  const auto result = static_cast<int>(::syscall(SYS_clock_gettime, clock, into));
  const auto* offset = clock_offset.load();
  if (result == 0 && clock == CLOCK_REALTIME && offset != nullptr) into->tv_sec += offset->load();
  return result;
}
