// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "base/error.h"
#include "base/time.h"
#include "io/loop.h"

namespace wakeline::io {

/// Which clock a timer sits on: both count sleep; `kAlarm` also wakes the machine (needs
/// CAP_WAKE_ALARM).
enum class TimerKind { kBoottime, kAlarm };

/// One deadline at a time on a timerfd; the driver's one timer for each machine.
class DeadlineTimer {
 public:
  /// Errors: kPermission for kAlarm without CAP_WAKE_ALARM.
  static base::Result<std::unique_ptr<DeadlineTimer>> create(Loop& loop, TimerKind kind,
                                                             std::function<void()> on_fired);
  virtual ~DeadlineTimer() = default;

  /// Moves the deadline; kNever disarms. A past instant fires at once. Setting the same instant
  /// again costs nothing.
  virtual void set(base::Instant at) = 0;
};

}  // namespace wakeline::io
