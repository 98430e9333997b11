// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "core/doze/types.h"

namespace wakeline::doze {

/// How often each awake app is looked at: as often as the profile says, until the looks of all of
/// them would take more than a share of one processor; then more and more seldom, down to some
/// looks in a window. A window ends in time whatever the pace: it has a timer of its own.
class LookPace {
 public:
  /// Of one processor. Origin: what is left serves wakes, and those come first.
  static constexpr int kSharePercent = 20;
  /// Looks in a wake window at the least: two to find an app quiet, and time to linger.
  static constexpr int kLooksInWindow = 4;

  /// An app begins or ends to be looked at.
  void begin() { ++apps_; }
  void end() { --apps_; }
  /// One look took so long. The mean of some sixteen counts: a single one may have been disturbed.
  void took(Duration cost) { cost_ += (cost - cost_) / 16; }

  Duration interval(const Profile& profile) const {
    const Duration bounded =
        std::min(cost_ * apps_ * 100 / kSharePercent, profile.wake_window / kLooksInWindow);
    return std::max(profile.sample_interval, bounded);
  }

  friend bool operator==(const LookPace&, const LookPace&) = default;

 private:
  int apps_ = 0;
  Duration cost_{};  ///< of one look
};

}  // namespace wakeline::doze
