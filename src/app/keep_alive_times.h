// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/time.h"

namespace wakeline::app {

/// When each keep-alive handler ran last, and when the next one has to (C15). A value; keys are
/// KeepAlive's.
class KeepAliveTimes {
 public:
  using Key = std::uint64_t;
  struct Entry {
    std::chrono::seconds timeout;
    base::Instant ran_at;  ///< or was added
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  /// Adds or replaces.
  void put(Key key, Entry entry) { all_.insert_or_assign(key, entry); }
  void remove(Key key) { all_.erase(key); }
  void ran(Key key, base::Instant now);
  std::optional<Entry> find(Key key) const;

  /// The shortest timeout; zero: there is no handler.
  std::chrono::seconds shortest() const;
  /// Those whose timeout is over before all are run at `host_due`.
  std::vector<Key> over_before(base::Instant host_due) const;
  /// When a timer runs them, early enough for each of those; kNever: there are none.
  base::Instant next(base::Instant host_due = base::kNever) const;

  friend bool operator==(const KeepAliveTimes&, const KeepAliveTimes&) = default;

 private:
  std::map<Key, Entry> all_;
};

}  // namespace wakeline::app
