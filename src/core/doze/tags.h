// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "core/doze/types.h"

namespace wakeline::doze {

/// One tagged connection, as far as waking needs it.
struct Tag {
  TagId id;
  std::uint64_t bytes = 0;  ///< at the last reading
  bool known = false;       ///< `bytes` was read
  bool has_rest = false;    ///< the unread data of `bytes` had its wake (C11)
  bool ended = false;       ///< nothing more can come
  bool end_heard = false;   ///< the end had its wake, or needs none

  /// Takes a reading: with another byte count the rest is another rest. It says whether the
  /// connection has ended, whatever was thought of it before; an end that was none has not been
  /// heard either.
  void read(const TagReading& reading) {
    has_rest = has_rest && bytes == reading.bytes;
    bytes = reading.bytes;
    known = true;
    ended = reading.ended;
    end_heard = end_heard && ended;
  }
  friend bool operator==(const Tag&, const Tag&) = default;
};

/// What a reading after the freeze says must wake the app at once.
struct Unheard {
  WakeCause cause;
  TagId tag;
  friend bool operator==(const Unheard&, const Unheard&) = default;
};

/// The tagged sockets of one app (C5, C11). Kept in the order of their ids.
class Tags {
 public:
  std::size_t size() const { return tags_.size(); }
  Tag* find(TagId id);  ///< until one is added or removed
  const Tag* find(TagId id) const;
  void add(TagId id);
  bool remove(TagId id);
  /// Whether one connection can still bring data.
  bool has_line() const;

  /// Takes a reading of the running app. Returns: whether bytes came in since the one before.
  bool update(const Reading& reading);

  /// Takes the reading after the freeze. Its data wakes at once when it came after the last sample
  /// (looked at only when `sampled`: there was one since the app was resumed), or when it lies
  /// unread and has had no wake of its own; an end too, once, if `wake_on_end`. What it returns
  /// counts as heard: the next call is silent about it.
  std::optional<Unheard> update_frozen(const Reading& reading, bool sampled, bool wake_on_end);

  auto begin() const { return tags_.begin(); }
  auto end() const { return tags_.end(); }

  friend bool operator==(const Tags&, const Tags&) = default;

 private:
  std::vector<Tag> tags_;  ///< at most kTagsMax
};

}  // namespace wakeline::doze
