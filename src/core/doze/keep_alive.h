// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/doze/types.h"

namespace wakeline::doze {

/// The one keep-alive handler of an app (C15, C16).
///
/// It may run in the window [earliest, latest]. The machine wakes for the earliest `latest` of all
/// apps and then runs every handler whose window is open: no other choice of instants wakes it less
/// often and keeps every deadline (interval stabbing, C18).
struct KeepAlive {
  Duration timeout{};             ///< zero: none is set
  Instant latest = base::kNever;  ///< the handler runs before this instant passes
  bool running = false;           ///< it was called and is not done

  bool is_set() const { return timeout > Duration::zero(); }
  Instant earliest(const Profile& profile) const {
    return is_set() ? latest - timeout / 100 * profile.keep_alive_early_percent : base::kNever;
  }
  /// Whether the handler may run now, to share a wake.
  bool is_open(Instant now, const Profile& profile) const {
    return is_set() && earliest(profile) <= now;
  }
  void restart(Instant now) { latest = base::saturating_add(now, timeout); }

  friend bool operator==(const KeepAlive&, const KeepAlive&) = default;
};

}  // namespace wakeline::doze
