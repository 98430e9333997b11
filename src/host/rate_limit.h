// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "base/time.h"

namespace wakeline::host {

/// So many at once, and then one an interval (a leaky bucket, kept as the instant at which it is
/// empty again).
class RateLimit {
 public:
  /// Counts one that comes in time. Returns: how much too early it comes; zero: in time.
  base::Duration take(base::Instant now, base::Duration interval, int burst) {
    const base::Duration wait = too_early(now, interval, burst);
    if (wait > base::Duration::zero()) return wait;
    empty_at_ = base::saturating_add(std::max(empty_at_, now), interval);
    return wait;
  }
  /// How long until one more is in time; counts nothing.
  base::Duration too_early(base::Instant now, base::Duration interval, int burst) const {
    const base::Duration ahead = std::max(empty_at_, now) - now;
    return std::max(ahead - interval * (burst - 1), base::Duration::zero());
  }

 private:
  base::Instant empty_at_{};
};

}  // namespace wakeline::host
