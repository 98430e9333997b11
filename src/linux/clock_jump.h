// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "base/error.h"
#include "base/time.h"
#include "io/loop.h"

namespace wakeline::sys {

/// Notices that the machine has slept, also where nobody tells: by the clock that counts sleep
/// running ahead of the one that does not. Nothing is polled: the kernel ends a wait on a
/// TFD_TIMER_CANCEL_ON_SET timer at every resume (and when somebody sets the clock).
/// Source: timerfd_create(2).
class ClockJump {
 public:
  using OnSlept = std::function<void(base::Duration slept)>;
  using ReadAsleep = std::function<base::Duration()>;

  /// `on_slept` runs on the loop's thread. `read_asleep`: io::time_asleep, or a test's.
  /// Errors: kOs.
  static base::Result<std::unique_ptr<ClockJump>> create(io::Loop& loop, OnSlept on_slept,
                                                         ReadAsleep read_asleep);
  virtual ~ClockJump() = default;
  /// Looks at the clocks now, because somebody says that the machine has resumed. Returns: whether
  /// it has slept since the last look; then `on_slept` was called.
  virtual bool look() = 0;
};

}  // namespace wakeline::sys
