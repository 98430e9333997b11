// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "store/journal.h"
#include "store/types.h"

namespace wakeline::store {

/// The pushes of the journal that wait: in memory until they are acknowledged or in the tables. Who
/// writes the store changes it; any thread may read. Who looks for a push looks here first and then
/// in the tables as they are after that, and finds it in one place at least.
class RecentPushes {
 public:
  /// Takes those of them that wait.
  void add(std::span<const RecentPush> pushes, base::Instant now);
  /// Returns: whether it was there.
  bool remove(DeviceId device, Sequence sequence);
  /// Returns: what was there, up to and including `sequence`.
  std::vector<Sequence> remove_through(DeviceId device, Sequence sequence);
  /// All of them are in the tables, where they can be seen.
  void clear();
  /// Rises with each `clear`: tables as they were at a lower count may lack a push that went there.
  std::uint64_t clears() const;

  /// Nothing when it is not here.
  std::shared_ptr<const NewPush> find(DeviceId device, Sequence sequence) const;
  /// As PushTable::pending.
  Pending pending(DeviceId device, Sequence after, std::size_t limit, base::WallTime now) const;
  bool any_through(DeviceId device, Sequence sequence) const;
  std::optional<base::WallTime> next_expiry() const;
  std::size_t count(DeviceId device) const;
  std::size_t count() const;
  /// Since when the oldest waits.
  std::optional<base::Instant> oldest();
  /// Of one device, in their order.
  std::vector<RecentPush> of(DeviceId device) const;

 private:
  using Key = std::pair<DeviceId, Sequence>;
  using Waiting = std::map<Key, std::shared_ptr<const NewPush>>;
  Waiting::iterator erase(Waiting::iterator at);

  mutable std::mutex mutex_;
  Waiting waiting_;
  std::unordered_map<std::uint64_t, std::uint32_t> counts_;
  /// In the order in which they came, some of them gone since.
  std::deque<std::pair<base::Instant, Key>> ages_;
  std::uint64_t clears_ = 0;
};

}  // namespace wakeline::store
