// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/time.h"

namespace wakeline::server {

/// Keys that one limiter remembers. Those that used nothing lately are forgotten first; when all
/// are in use, new ones share one allowance, so that many addresses buy nothing.
inline constexpr std::size_t kRateKeysMax = 65'536;
/// The burst of a limit on pushes, in seconds of its rate: the rate holds over any ten.
inline constexpr double kPushBurstSeconds = 10;

/// A token bucket for each key: `rate` a second on average, `burst` at once. A value but for its
/// map.
class RateLimiter {
 public:
  /// `rate` 0: everything is permitted.
  RateLimiter(double rate, double burst) : rate_(rate), burst_(burst) {}

  /// Takes one. Returns: nothing, or how long to wait until one is there.
  std::optional<base::Duration> take(std::string_view key, base::Instant now);
  /// Whether `take` would permit it; takes nothing.
  std::optional<base::Duration> look(std::string_view key, base::Instant now) const;
  void set(double rate, double burst) {
    rate_ = rate;
    burst_ = burst;
  }
  void set_pushes(double rate) { set(rate, rate * kPushBurstSeconds); }
  std::size_t keys() const { return buckets_.size(); }

 private:
  struct Bucket {
    double left = 0;
    base::Instant at{};
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };

  double left(const Bucket& bucket, base::Instant now) const;
  Bucket& bucket_of(std::string_view key, base::Instant now);
  base::Duration wait(double left) const;

  double rate_;
  double burst_;
  base::Instant swept_{};  ///< when idle keys were last looked for
  std::unordered_map<std::string, Bucket, Hash, std::equal_to<>> buckets_;
};

}  // namespace wakeline::server
