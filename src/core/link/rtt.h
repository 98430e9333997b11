// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "base/time.h"

namespace wakeline::link {

/// Smoothed round-trip time to the server, as an answer to CONNECT and PINGREQ shows it.
/// Source: RFC 6298 §2; the deadlines are those of link.md §4.
class Rtt {
 public:
  void add(base::Duration sample) {
    // A longer one was a machine asleep, not a path.
    sample = std::clamp(sample, base::Duration::zero(), kSampleMax);
    if (smoothed_ == base::Duration::zero()) {
      smoothed_ = sample;
      variance_ = sample / 2;
      return;
    }
    const base::Duration off = smoothed_ > sample ? smoothed_ - sample : sample - smoothed_;
    variance_ = (3 * variance_ + off) / 4;
    smoothed_ = (7 * smoothed_ + sample) / 8;
  }

  /// After so long without an answer the line is dead.
  base::Duration patience(base::Duration least) const {
    return std::max(least, 3 * smoothed_ + 4 * variance_);
  }
  /// After so long a second connection is prepared.
  base::Duration hedge() const { return std::max(kHedgeMin, smoothed_ + 4 * variance_); }
  /// Bytes younger than this prove that the line lives.
  base::Duration fresh() const { return 2 * smoothed_; }

  friend bool operator==(const Rtt&, const Rtt&) = default;

 private:
  static constexpr base::Duration kSampleMax = std::chrono::seconds(10);
  static constexpr base::Duration kHedgeMin = std::chrono::milliseconds(300);

  base::Duration smoothed_{};
  base::Duration variance_{};
};

}  // namespace wakeline::link
