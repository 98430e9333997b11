// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "base/time.h"

namespace wakeline::link {

/// Smoothed round-trip time to the server, as an answer to CONNECT and PINGREQ shows it.
/// Source: RFC 6298 §2; the deadlines are those of link.md §3 and §4.
struct Rtt {
  base::Duration smoothed{};  ///< zero: never measured
  base::Duration variance{};

  void add(base::Duration sample) {
    // A longer one was a machine asleep, not a path.
    sample = std::clamp(sample, base::Duration::zero(), kSampleMax);
    if (smoothed == base::Duration::zero()) {
      smoothed = sample;
      variance = sample / 2;
      return;
    }
    const base::Duration off = smoothed > sample ? smoothed - sample : sample - smoothed;
    variance = (3 * variance + off) / 4;
    smoothed = (7 * smoothed + sample) / 8;
  }

  /// After so long without an answer the line is dead.
  base::Duration patience(base::Duration least) const {
    return std::max(least, 3 * smoothed + 4 * variance);
  }
  /// After so long a second connection is prepared.
  base::Duration hedge() const { return std::max(kHedgeMin, smoothed + 4 * variance); }
  /// Bytes younger than this prove that the line lives.
  base::Duration fresh() const { return 2 * smoothed; }
  /// After so long a server that has the CONNECT is left for the next route.
  base::Duration answer() const { return std::max(kAnswerMin, 6 * smoothed); }
  /// The head start of each route over the next; `unknown` where nothing was measured.
  base::Duration stagger(base::Duration unknown) const {
    if (smoothed == base::Duration::zero()) return unknown;
    // Nine of ten take less than the mean and twice the mean deviation.
    return std::clamp((smoothed + 2 * variance) * 3 / 2, kStaggerMin, kStaggerMax);
  }

  static constexpr base::Duration kSampleMax = std::chrono::seconds(10);
  friend bool operator==(const Rtt&, const Rtt&) = default;

 private:
  static constexpr base::Duration kHedgeMin = std::chrono::milliseconds(300);
  static constexpr base::Duration kAnswerMin = std::chrono::seconds(3);
  static constexpr base::Duration kStaggerMin = std::chrono::milliseconds(100);
  static constexpr base::Duration kStaggerMax = std::chrono::seconds(2);
};

}  // namespace wakeline::link
