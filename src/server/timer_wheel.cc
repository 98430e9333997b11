// SPDX-License-Identifier: Apache-2.0
#include "server/timer_wheel.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

namespace wakeline::server {

TimerWheel::TimerWheel(base::Instant now) : start_(now) { heads_.fill(kNone); }

void TimerWheel::set(std::uint32_t id, base::Instant at) {
  if (id >= nodes_.size()) {
    if (at == base::kNever) return;
    nodes_.resize(id + 1U);
  }
  take_out(id);
  if (at == base::kNever) return;
  const auto since = std::max<base::Duration>(at - start_, base::Duration::zero());
  const auto ticks = since / kTick + (since % kTick == base::Duration::zero() ? 0 : 1);
  nodes_[id].tick = static_cast<std::uint32_t>(
      std::min<std::int64_t>(ticks, std::numeric_limits<std::uint32_t>::max()));
  place(id);
}

base::Instant TimerWheel::at(std::uint32_t id) const {
  if (id >= nodes_.size() || nodes_[id].bucket == kNone) return base::kNever;
  return base::saturating_add(start_, kTick * static_cast<std::int64_t>(nodes_[id].tick));
}

void TimerWheel::place(std::uint32_t id) {
  Node& node = nodes_[id];
  constexpr Tick kWidest = (Tick{1} << (kBits * kLevels)) - 1;
  // What is due already fires with the next tick: the current one's bucket has been emptied.
  const Tick tick = std::clamp<Tick>(node.tick, current_ + 1, current_ + kWidest);
  unsigned level = 0;
  while (tick - current_ >= Tick{1} << (kBits * (level + 1))) ++level;
  const auto index = static_cast<std::uint32_t>(tick >> (kBits * level)) % kBuckets;
  node.bucket = level * kBuckets + index;
  node.previous = kNone;
  node.next = std::exchange(heads_[node.bucket], id);
  if (node.next != kNone) nodes_[node.next].previous = id;
  filled_[level] |= std::uint64_t{1} << index;
}

void TimerWheel::take_out(std::uint32_t id) {
  Node& node = nodes_[id];
  if (node.bucket == kNone) return;
  if (node.next != kNone) nodes_[node.next].previous = node.previous;
  if (node.previous != kNone)
    nodes_[node.previous].next = node.next;
  else
    heads_[node.bucket] = node.next;
  if (heads_[node.bucket] == kNone)
    filled_[node.bucket / kBuckets] &= ~(std::uint64_t{1} << node.bucket % kBuckets);
  node.bucket = kNone;
}

std::uint32_t TimerWheel::empty(std::uint32_t bucket) {
  filled_[bucket / kBuckets] &= ~(std::uint64_t{1} << bucket % kBuckets);
  return std::exchange(heads_[bucket], kNone);
}

/// The next tick at which a bucket has to be looked at.
TimerWheel::Tick TimerWheel::next_tick() const {
  Tick next = std::numeric_limits<Tick>::max();
  for (unsigned level = 0; level < kLevels; ++level) {
    if (filled_[level] == 0) continue;
    const Tick at = current_ >> (kBits * level);
    const auto turned =
        std::rotr(filled_[level], static_cast<int>((at + 1) % kBuckets));  // bit 0: the next one
    next =
        std::min(next, (at + 1 + static_cast<Tick>(std::countr_zero(turned))) << (kBits * level));
  }
  return next;
}

base::Instant TimerWheel::next() const {
  const Tick tick = next_tick();
  if (tick == std::numeric_limits<Tick>::max()) return base::kNever;
  return base::saturating_add(start_, kTick * static_cast<std::int64_t>(tick));
}

void TimerWheel::advance(base::Instant now, std::vector<std::uint32_t>& due) {
  if (now < start_) return;
  const auto target = static_cast<Tick>((now - start_) / kTick);
  while (current_ < target) {
    current_ = std::min(next_tick(), target);
    // From the widest: what comes out of it may belong into the bucket that is looked at next.
    for (unsigned level = kLevels - 1; level > 0; --level) {
      if (current_ % (Tick{1} << (kBits * level)) != 0) continue;
      const auto index = static_cast<std::uint32_t>(current_ >> (kBits * level)) % kBuckets;
      for (std::uint32_t id = empty(level * kBuckets + index); id != kNone;) {
        const std::uint32_t following = nodes_[id].next;
        nodes_[id].bucket = kNone;
        if (nodes_[id].tick <= current_)
          due.push_back(id);
        else
          place(id);
        id = following;
      }
    }
    for (std::uint32_t id = empty(static_cast<std::uint32_t>(current_ % kBuckets)); id != kNone;) {
      nodes_[id].bucket = kNone;
      due.push_back(id);
      id = nodes_[id].next;
    }
  }
}

}  // namespace wakeline::server
