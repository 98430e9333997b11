// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/error.h"

namespace wakeline::sys {

/// What the host changes of itself and an app must not inherit.
struct Limits {
  int nice = 0;
  std::uint64_t files = 0;  ///< RLIMIT_NOFILE, soft
  friend bool operator==(const Limits&, const Limits&) = default;
};

/// This process's limits now; read before the two calls below, given to every `SpawnOptions`.
Limits current_limits();

/// Sets them, as far as this process may.
void set_limits(const Limits& limits);

/// Nice −10: an app that was just thawed must not take the processor from the one who thaws the
/// next (measured: 14–62 ms to thaw an app with 4–16 spinning threads at equal priority).
/// Errors: kPermission.
base::Result<void> raise_priority();

/// Lifts RLIMIT_NOFILE's soft limit to the hard one. Returns: the limit that holds now.
base::Result<std::uint64_t> raise_file_limit();

}  // namespace wakeline::sys
