// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/time.h"

namespace wakeline::sim {

using Sequence = std::uint64_t;

/// A push in the store. `id` is the world's name for it, in its payload.
struct StoredPush {
  std::uint64_t id;
  base::Instant expires_at;
};

/// The server's durable queue as a model: what was committed survives a crash, a deletion only once
/// it is committed too.
class Store {
 public:
  explicit Store(std::size_t inboxes) : inboxes_(inboxes) {}

  /// Durable when it returns; the number is the inbox's next.
  Sequence commit(std::size_t app, StoredPush push) {
    Inbox& inbox = inboxes_[app];
    inbox.rows.emplace(++inbox.last, push);
    return inbox.last;
  }
  /// Not readable from now on, and gone with the next flush.
  void remove(std::size_t app, Sequence sequence) {
    Inbox& inbox = inboxes_[app];
    if (inbox.rows.contains(sequence)) inbox.removed.insert(sequence);
  }
  void remove_through(std::size_t app, Sequence sequence) {
    for (const auto& [s, push] : inboxes_[app].rows)
      if (s <= sequence) inboxes_[app].removed.insert(s);
  }
  /// Commits the deletions.
  void flush() {
    for (Inbox& inbox : inboxes_)
      for (const Sequence s : std::exchange(inbox.removed, {})) inbox.rows.erase(s);
  }
  /// Deletions that were not committed are undone.
  void crash() {
    for (Inbox& inbox : inboxes_) inbox.removed.clear();
  }

  /// Null when it is gone or expired.
  const StoredPush* find(std::size_t app, Sequence sequence, base::Instant now) const {
    const Inbox& inbox = inboxes_[app];
    const auto it = inbox.rows.find(sequence);
    if (it == inbox.rows.end() || inbox.removed.contains(sequence)) return nullptr;
    return it->second.expires_at <= now ? nullptr : &it->second;
  }
  /// At most `limit` numbers over `after`, rising; `more`: whether there are others.
  std::vector<Sequence> pending(std::size_t app, Sequence after, std::size_t limit,
                                base::Instant now, bool& more) const {
    const Inbox& inbox = inboxes_[app];
    std::vector<Sequence> found;
    more = false;
    for (auto it = inbox.rows.upper_bound(after); it != inbox.rows.end(); ++it) {
      if (find(app, it->first, now) == nullptr) continue;
      more = found.size() == limit;
      if (more) break;
      found.push_back(it->first);
    }
    return found;
  }
  std::size_t inboxes() const { return inboxes_.size(); }
  /// What waits for the app.
  std::size_t size(std::size_t app, base::Instant now) const {
    bool more = false;
    return pending(app, 0, inboxes_[app].rows.size(), now, more).size();
  }

 private:
  struct Inbox {
    std::map<Sequence, StoredPush> rows;
    std::set<Sequence> removed;
    Sequence last = 0;
  };
  std::vector<Inbox> inboxes_;
};

}  // namespace wakeline::sim
