// SPDX-License-Identifier: Apache-2.0
#include "server/rate_limiter.h"

#include <algorithm>
#include <chrono>

namespace wakeline::server {

namespace {

/// Between two looks over all keys: who comes with ever new ones does not buy one each.
constexpr base::Duration kBucketSweepPause = std::chrono::seconds(1);

}  // namespace

double RateLimiter::left(const Bucket& bucket, base::Instant now) const {
  const double passed = std::chrono::duration<double>(now - bucket.at).count();
  return std::min(burst_, bucket.left + std::max(passed, 0.0) * rate_);
}

RateLimiter::Bucket& RateLimiter::bucket_of(std::string_view key, base::Instant now) {
  if (const auto it = buckets_.find(key); it != buckets_.end()) return it->second;
  if (buckets_.size() >= kRateKeysMax && now >= swept_ + kBucketSweepPause) {
    swept_ = now;
    std::erase_if(buckets_, [&](const auto& entry) { return left(entry.second, now) >= burst_; });
  }
  if (buckets_.size() >= kRateKeysMax) key = {};  // the shared one
  return buckets_.try_emplace(std::string(key), Bucket{burst_, now}).first->second;
}

base::Duration RateLimiter::wait(double left) const {
  return std::chrono::ceil<base::Duration>(std::chrono::duration<double>((1 - left) / rate_));
}

std::optional<base::Duration> RateLimiter::take(std::string_view key, base::Instant now) {
  if (rate_ <= 0) return std::nullopt;
  Bucket& bucket = bucket_of(key, now);
  const double there = left(bucket, now);
  if (there < 1) return wait(there);
  bucket = {there - 1, now};
  return std::nullopt;
}

std::optional<base::Duration> RateLimiter::look(std::string_view key, base::Instant now) const {
  if (rate_ <= 0) return std::nullopt;
  auto it = buckets_.find(key);
  if (it == buckets_.end() && buckets_.size() >= kRateKeysMax) it = buckets_.find({});
  if (it == buckets_.end()) return std::nullopt;
  const double there = left(it->second, now);
  if (there < 1) return wait(there);
  return std::nullopt;
}

}  // namespace wakeline::server
