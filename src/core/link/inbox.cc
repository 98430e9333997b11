// SPDX-License-Identifier: Apache-2.0
#include "core/link/inbox.h"

#include <algorithm>

namespace wakeline::link {

void Inbox::on_login(bool same_session) {
  connection_high_ = 0;
  for (Entry& e : entries_) e.here = false;
  if (same_session) return;
  std::erase_if(entries_, [](const Entry& e) { return e.sequence == 0; });
  acknowledged_.clear();
}

void Inbox::on_new_epoch(Memory& memory, std::uint64_t epoch) {
  memory.epoch = epoch;
  memory.accepted_high = 0;
  memory.unaccepted.clear();
  high_ = 0;
  withheld_through_ = 0;
  missed_.reset();
  std::erase_if(entries_, [](const Entry& e) { return e.sequence != 0; });
}

/// What the server passed over on its way to `sequence`: numbers above all that ever came, and
/// those that an earlier run had without accepting them. Where nothing came yet nothing is known,
/// nor where the server may withhold some: those come yet, under other numbers.
void Inbox::note_missed(const Memory& memory, Sequence sequence) {
  Missed missed{.first = 0, .last = 0, .count = 0};
  const auto add = [&missed](Sequence first, Sequence last) {
    if (missed.count == 0) missed.first = first;
    missed.last = last;
    missed.count += last - first + 1;
  };
  for (const Sequence s : memory.unaccepted) {
    const bool held = std::ranges::find(entries_, s, &Entry::sequence) != entries_.end();
    if (s < sequence && !held) add(s, s);
  }
  const Sequence known = std::max(high_, memory.accepted_high);
  const Sequence explained = std::max(known, withheld_through_);
  if (known != 0 && sequence > explained && sequence - explained > 1 && !memory.withheld)
    add(explained + 1, sequence - 1);
  high_ = std::max(high_, sequence);
  missed_ = missed.count > 0 ? std::optional(missed) : std::nullopt;
}

Inbox::Arrival Inbox::on_numbered(Memory& memory, Sequence sequence, std::uint16_t packet_id) {
  if (sequence < connection_high_) return {Verdict::kOutOfOrder, {}};
  connection_high_ = sequence;
  note_missed(memory, sequence);

  // What this connection passed over is gone at the server.
  std::erase_if(entries_, [&](const Entry& e) {
    return e.sequence != 0 && e.sequence < sequence && !e.here;
  });
  std::erase_if(memory.unaccepted, [&](Sequence s) {
    return s < sequence &&
           std::none_of(
               entries_.begin(), entries_.end(), [&](const Entry& e) { return e.sequence == s; });
  });

  const auto held = std::find_if(entries_.begin(), entries_.end(),
                                 [&](const Entry& e) { return e.sequence == sequence; });
  if (held != entries_.end()) {
    held->packet_id = packet_id;
    held->here = true;
    return {Verdict::kKnown, held->id};
  }
  const bool open =
      std::binary_search(memory.unaccepted.begin(), memory.unaccepted.end(), sequence);
  if (sequence <= memory.accepted_high && !open) return {Verdict::kAcknowledge, {}};
  if (!open && waiting(memory) >= kUnacceptedMax) return {Verdict::kTooMany, {}};
  return add(sequence, packet_id, 0);
}

Inbox::Arrival Inbox::on_unnumbered(std::uint16_t packet_id, bool duplicate, std::uint64_t digest) {
  const auto held = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) {
    return e.sequence == 0 && e.packet_id == packet_id;
  });
  if (held != entries_.end()) {
    const bool again = duplicate && !held->here;
    if (again && !held->accepted) {
      held->here = true;
      return {Verdict::kKnown, held->id};
    }
    const bool out_of_order = held->here;  // an id in use on this very connection (MQTT-2.2.1-4)
    if (out_of_order) return {Verdict::kOutOfOrder, {}};
    entries_.erase(held);
    if (again) {
      remember({packet_id, digest});
      return {Verdict::kAcknowledge, {}};
    }
  }
  if (duplicate &&
      std::ranges::find(acknowledged_, Acknowledged{packet_id, digest}) != acknowledged_.end())
    return {Verdict::kAcknowledge, {}};
  if (entries_.size() >= kUnacceptedMax) {
    // An acceptance whose acknowledgement the broker must have seen: it used the id no more.
    const auto stale = std::find_if(entries_.begin(), entries_.end(), [](const Entry& e) {
      return e.sequence == 0 && e.accepted && !e.here;
    });
    if (stale == entries_.end()) return {Verdict::kTooMany, {}};
    entries_.erase(stale);
  }
  return add(0, packet_id, digest);
}

Inbox::Arrival Inbox::add(Sequence sequence, std::uint16_t packet_id, std::uint64_t digest) {
  const DeliveryId id{++last_id_};
  entries_.push_back({.id = id,
                      .sequence = sequence,
                      .packet_id = packet_id,
                      .digest = digest,
                      .here = true,
                      .serial = 0});
  return {Verdict::kDeliver, id};
}

void Inbox::remember(Acknowledged done) {
  std::erase_if(acknowledged_,
                [&](const Acknowledged& a) { return a.packet_id == done.packet_id; });
  if (acknowledged_.size() >= kUnacceptedMax) acknowledged_.erase(acknowledged_.begin());
  acknowledged_.push_back(done);
}

/// Pushes that the server counts as in flight, or will when it sends them again.
std::size_t Inbox::waiting(const Memory& memory) const {
  std::size_t count = entries_.size();
  for (const Sequence s : memory.unaccepted)
    if (std::none_of(entries_.begin(), entries_.end(),
                     [&](const Entry& e) { return e.sequence == s; }))
      ++count;
  return count;
}

Inbox::Accepted Inbox::accept(Memory& memory, DeliveryId id, std::uint64_t serial) {
  const auto it =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.id == id; });
  if (it == entries_.end() || it->accepted) return {Acceptance::kNothing, 0};
  it->accepted = true;
  if (it->sequence == 0) {
    if (!it->here) return {Acceptance::kNothing, 0};
    const Acknowledged done{it->packet_id, it->digest};
    entries_.erase(it);
    remember(done);
    return {Acceptance::kAcknowledge, done.packet_id};
  }
  it->serial = serial;
  if (it->sequence > memory.accepted_high) {
    memory.accepted_high = it->sequence;
    for (const Entry& e : entries_)
      if (e.sequence != 0 && e.sequence < it->sequence && !e.accepted)
        memory.unaccepted.push_back(e.sequence);
    std::sort(memory.unaccepted.begin(), memory.unaccepted.end());
    const auto same = std::unique(memory.unaccepted.begin(), memory.unaccepted.end());
    memory.unaccepted.erase(same, memory.unaccepted.end());
  } else {
    std::erase(memory.unaccepted, it->sequence);
  }
  return {Acceptance::kPersist, 0};
}

std::vector<std::uint16_t> Inbox::on_persisted(std::uint64_t serial) {
  std::vector<std::uint16_t> acknowledge;
  std::erase_if(entries_, [&](const Entry& e) {
    if (e.serial == 0 || e.serial > serial) return false;
    if (e.here) acknowledge.push_back(e.packet_id);
    return true;
  });
  return acknowledge;
}

bool Inbox::busy() const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [](const Entry& e) { return !e.accepted || e.serial != 0; });
}

}  // namespace wakeline::link
