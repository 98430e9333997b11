// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/time.h"

namespace wakeline::io {

/// How long a thread that has work may run before the scheduler turns to another one, and by that
/// how soon a thread that was woken gets its turn: Linux (6.12 and newer, sched(7)) lets one with a
/// shorter slice run before one with a longer. The share of the processor stays the same.
/// An older kernel takes the value and does nothing with it.

/// The calling thread's slice; zero where the kernel has none for it.
base::Duration scheduler_slice() noexcept;

/// Sets the calling thread's slice, 0.1 to 100 ms; zero gives it back the kernel's own. Needs no
/// privilege. Threads and children begun later inherit it. A thread with another policy than
/// SCHED_OTHER or SCHED_BATCH was given it on purpose and is left as it is. May be called between
/// fork and exec. Returns: false, and errno, when sched_setattr(2) refuses.
[[nodiscard]] bool set_scheduler_slice(base::Duration slice) noexcept;

}  // namespace wakeline::io
