// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "core/doze/types.h"

namespace wakeline::doze {

/// Counts the wakes of one app and says what becomes of the next one (C13).
///
/// Under kDelay the delay doubles with each wake at the limit, halves with each below it, and is
/// gone after a quiet spell: the app settles near the rate that the limit allows.
class Limiter {
 public:
  /// What the next host must know of it: the newest wakes (kWakesLeft at most), and the delay.
  static constexpr std::size_t kWakesLeft = 128;
  struct Past {
    std::vector<Instant> wakes;  ///< rising
    int doublings = 0;
    friend bool operator==(const Past&, const Past&) = default;
  };
  Limiter() = default;
  explicit Limiter(Past past);
  Past past() const;

  /// What the next wake gets: kNone (now), kDelay (after `delay`), kKill.
  struct Verdict {
    LimitAction action = LimitAction::kNone;
    Duration delay{};
  };
  /// `asleep`: how long the app slept before the event that wants the wake.
  Verdict ask(Instant now, Duration asleep, const Profile& profile);

  void record(Instant now, const Profile& profile);

  /// Wakes in the last `limit_span`. It stops at kWakesKept or the limit, whichever is higher.
  int count(Instant now, const Profile& profile) const;

  friend bool operator==(const Limiter&, const Limiter&) = default;

 private:
  /// Instants that are kept at least, so that the ledger shows a count also without a limit.
  static constexpr std::size_t kWakesKept = 32;

  std::vector<Instant> wakes_;  ///< rising
  int doublings_ = 0;           ///< 0: not delayed
};

}  // namespace wakeline::doze
