// SPDX-License-Identifier: Apache-2.0
#include "core/doze/tags.h"

#include <algorithm>
#include <utility>

#include "base/flat_map.h"

namespace wakeline::doze {

const Tag* Tags::find(TagId id) const {
  // New ids rise, so the order of arrival is the order of ids.
  const auto it = std::ranges::lower_bound(tags_, id, {}, &Tag::id);
  return it != tags_.end() && it->id == id ? &*it : nullptr;
}

Tag* Tags::find(TagId id) { return const_cast<Tag*>(std::as_const(*this).find(id)); }

void Tags::add(TagId id) {
  base::make_room(tags_);
  tags_.push_back({.id = id});
}

bool Tags::remove(TagId id) {
  return std::erase_if(tags_, [&](const Tag& tag) { return tag.id == id; }) > 0;
}

bool Tags::has_line() const {
  return std::ranges::any_of(tags_, [](const Tag& tag) { return !tag.ended; });
}

bool Tags::update(const Reading& reading) {
  bool rose = false;
  for (const TagReading& read : reading.tags) {
    Tag* tag = find(read.tag);
    if (tag == nullptr) continue;
    rose |= tag->known && read.bytes > tag->bytes;
    tag->read(read);
  }
  return rose;
}

std::optional<Unheard> Tags::update_frozen(const Reading& reading, bool sampled, bool wake_on_end) {
  std::optional<Unheard> data;
  std::optional<Unheard> end;
  for (const TagReading& read : reading.tags) {
    Tag* tag = find(read.tag);
    if (tag == nullptr) continue;
    const bool late = sampled && tag->known && read.bytes > tag->bytes;
    tag->read(read);
    const bool rest = read.unread > 0 && !tag->has_rest;
    if (!data && (late || rest)) data = {WakeCause::kSocketData, tag->id};
    // The wake is for the whole app: whatever lies in any queue now has had it.
    tag->has_rest = read.unread > 0;
    if (read.ended && !std::exchange(tag->end_heard, true) && wake_on_end && !end)
      end = {WakeCause::kSocketEnd, tag->id};
  }
  return data ? data : end;
}

}  // namespace wakeline::doze
