// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/time.h"

namespace wakeline::base {

/// A small seeded generator, a value: the same seed gives the same numbers on every platform.
/// For jitter and simulation, never for secrets. Source: xoshiro256++ by Blackman and Vigna, seeded
/// by SplitMix64.
class Random {
 public:
  explicit Random(std::uint64_t seed = 1);

  std::uint64_t next();
  /// Uniform in [0, bound); `bound` > 0. Unbiased (rejection).
  std::uint64_t below(std::uint64_t bound);
  /// Uniform in [low, high], both ends included; `low` <= `high`.
  Duration between(Duration low, Duration high);
  /// True with probability `numerator`/`denominator`.
  bool chance(std::uint64_t numerator, std::uint64_t denominator);

  friend bool operator==(const Random&, const Random&) = default;

 private:
  std::uint64_t state_[4];
};

}  // namespace wakeline::base
