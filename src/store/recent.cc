// SPDX-License-Identifier: Apache-2.0
#include "store/recent.h"

#include <algorithm>
#include <limits>

#include "store/wall_ms.h"

namespace wakeline::store {

void RecentPushes::add(std::span<const RecentPush> pushes, base::Instant now) {
  const std::scoped_lock lock(mutex_);
  for (const RecentPush& recent : pushes) {
    if (!recent.waits) continue;
    const Key key{recent.device, recent.sequence};
    if (!waiting_.emplace(key, recent.push).second) continue;
    ++counts_[recent.device.value];
    ages_.emplace_back(now, key);
  }
}

RecentPushes::Waiting::iterator RecentPushes::erase(Waiting::iterator at) {
  const auto count = counts_.find(at->first.first.value);
  if (--count->second == 0) counts_.erase(count);
  return waiting_.erase(at);
}

bool RecentPushes::remove(DeviceId device, Sequence sequence) {
  const std::scoped_lock lock(mutex_);
  const auto at = waiting_.find({device, sequence});
  if (at == waiting_.end()) return false;
  erase(at);
  return true;
}

std::vector<Sequence> RecentPushes::remove_through(DeviceId device, Sequence sequence) {
  const std::scoped_lock lock(mutex_);
  std::vector<Sequence> removed;
  auto at = waiting_.lower_bound({device, 0});
  while (at != waiting_.end() && at->first <= Key{device, sequence}) {
    removed.push_back(at->first.second);
    at = erase(at);
  }
  return removed;
}

void RecentPushes::clear() {
  const std::scoped_lock lock(mutex_);
  waiting_.clear();
  counts_.clear();
  ages_.clear();
  ++clears_;
}

std::uint64_t RecentPushes::clears() const {
  const std::scoped_lock lock(mutex_);
  return clears_;
}

std::shared_ptr<const NewPush> RecentPushes::find(DeviceId device, Sequence sequence) const {
  const std::scoped_lock lock(mutex_);
  const auto at = waiting_.find({device, sequence});
  return at == waiting_.end() ? nullptr : at->second;
}

Pending RecentPushes::pending(DeviceId device, Sequence after, std::size_t limit,
                              base::WallTime now) const {
  const std::scoped_lock lock(mutex_);
  Pending found;
  for (auto at = waiting_.upper_bound({device, after});
       at != waiting_.end() && at->first.first == device; ++at) {
    if (to_ms(at->second->expires) <= to_ms(now)) continue;
    if (found.sequences.size() == limit) {
      found.more = true;
      break;
    }
    found.sequences.push_back(at->first.second);
  }
  return found;
}

bool RecentPushes::any_through(DeviceId device, Sequence sequence) const {
  const std::scoped_lock lock(mutex_);
  const auto at = waiting_.lower_bound({device, 0});
  return at != waiting_.end() && at->first <= Key{device, sequence};
}

std::optional<base::WallTime> RecentPushes::next_expiry() const {
  const std::scoped_lock lock(mutex_);
  std::optional<base::WallTime> next;
  for (const auto& [key, push] : waiting_)
    if (!next || push->expires < *next) next = push->expires;
  return next;
}

std::size_t RecentPushes::count(DeviceId device) const {
  const std::scoped_lock lock(mutex_);
  const auto count = counts_.find(device.value);
  return count == counts_.end() ? 0 : count->second;
}

std::size_t RecentPushes::count() const {
  const std::scoped_lock lock(mutex_);
  return waiting_.size();
}

std::optional<base::Instant> RecentPushes::oldest() {
  const std::scoped_lock lock(mutex_);
  while (!ages_.empty() && !waiting_.contains(ages_.front().second)) ages_.pop_front();
  if (ages_.empty()) return std::nullopt;
  return ages_.front().first;
}

std::vector<RecentPush> RecentPushes::of(DeviceId device) const {
  const std::scoped_lock lock(mutex_);
  std::vector<RecentPush> found;
  for (auto at = waiting_.lower_bound({device, 0});
       at != waiting_.end() && at->first.first == device; ++at)
    found.push_back({device, at->first.second, true, at->second});
  return found;
}

}  // namespace wakeline::store
