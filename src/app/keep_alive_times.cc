// SPDX-License-Identifier: Apache-2.0
#include "app/keep_alive_times.h"

#include <algorithm>

namespace wakeline::app {

void KeepAliveTimes::ran(Key key, base::Instant now) {
  if (const auto found = all_.find(key); found != all_.end()) found->second.ran_at = now;
}

std::optional<KeepAliveTimes::Entry> KeepAliveTimes::find(Key key) const {
  const auto found = all_.find(key);
  return found == all_.end() ? std::nullopt : std::optional(found->second);
}

std::chrono::seconds KeepAliveTimes::shortest() const {
  auto shortest = std::chrono::seconds::max();
  for (const auto& [key, entry] : all_) shortest = std::min(shortest, entry.timeout);
  return all_.empty() ? std::chrono::seconds(0) : shortest;
}

std::vector<KeepAliveTimes::Key> KeepAliveTimes::over_before(base::Instant host_due) const {
  std::vector<Key> keys;
  for (const auto& [key, entry] : all_)
    if (entry.ran_at + base::bounded(entry.timeout) < host_due) keys.push_back(key);
  return keys;
}

base::Instant KeepAliveTimes::next(base::Instant host_due) const {
  base::Instant next = base::kNever;
  for (const Key key : over_before(host_due)) {
    const Entry& entry = all_.at(key);
    next = std::min(next, entry.ran_at + base::bounded(entry.timeout) / 10 * 9);
  }
  return next;
}

}  // namespace wakeline::app
