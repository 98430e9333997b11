// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <set>

#include "core/doze/types.h"

namespace wakeline::sim {

/// What the contract allows one app at this moment, kept apart from the host's own book-keeping, so
/// that the two can disagree. Times are of the world's clock.
class Allowance {
 public:
  /// What the host may take to find out that an app is quiet, beyond what was granted: the least
  /// time of the quiet check, and a freeze that takes its time.
  static constexpr base::Duration kSlack = std::chrono::seconds(5);
  /// A deadline may be missed by as much as messages and launches take.
  static constexpr base::Duration kLate = std::chrono::seconds(1);

  void begin_run() { *this = {}; }
  /// C9, C22, C31: a window from now on.
  void grant(base::Instant now, base::Duration length) {
    until_ = std::max(until_, base::saturating_add(now, length));
  }
  void set_foreground(bool foreground) { foreground_ = foreground; }
  void begin_task(doze::TaskId task) { tasks_.insert(task); }
  void end_task(doze::TaskId task, base::Instant now) {
    if (tasks_.erase(task) > 0) grant(now, base::Duration::zero());
  }
  /// C15: zero clears.
  void set_keep_alive(base::Instant now, base::Duration timeout) {
    timeout_ = timeout;
    due_ = timeout > base::Duration::zero() ? base::saturating_add(now, timeout) : base::kNever;
  }
  void run_keep_alive(base::Instant now, base::Duration budget) {
    grant(now, budget);
    due_ = base::saturating_add(now, timeout_);
  }

  /// C8: an app that runs in the background without anything that allows it.
  bool overstays(base::Instant now) const {
    return !foreground_ && tasks_.empty() && now > base::saturating_add(until_, kSlack);
  }
  /// C15, C18.
  bool keep_alive_is_late(base::Instant now) const {
    return now > base::saturating_add(due_, kLate);
  }
  base::Instant until() const { return base::saturating_add(until_, kSlack); }
  base::Instant due() const { return base::saturating_add(due_, kLate); }
  bool open_ended() const { return foreground_ || !tasks_.empty(); }

 private:
  base::Instant until_{};
  base::Instant due_ = base::kNever;
  base::Duration timeout_{};
  std::set<doze::TaskId> tasks_;
  bool foreground_ = false;
};

}  // namespace wakeline::sim
