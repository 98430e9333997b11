// SPDX-License-Identifier: Apache-2.0
#include "core/link/race.h"

#include <algorithm>

namespace wakeline::link {

std::vector<Address> candidate_order(std::vector<Address> resolved,
                                     const std::optional<Address>& last_good) {
  std::vector<Address> order;
  const auto take = [&](std::size_t at) {
    order.push_back(std::move(resolved[at]));
    resolved.erase(resolved.begin() + static_cast<std::ptrdiff_t>(at));
  };
  const auto first_of = [&](auto wanted) {
    return static_cast<std::size_t>(std::find_if(resolved.begin(), resolved.end(), wanted) -
                                    resolved.begin());
  };
  if (last_good) {
    const auto at = first_of([&](const Address& a) { return a == *last_good; });
    if (at < resolved.size()) take(at);
  }
  while (!resolved.empty() && order.size() < kCandidatesMax) {
    const auto other =
        order.empty() ? 0 : first_of([&](const Address& a) { return a.ipv6 != order.back().ipv6; });
    take(other < resolved.size() ? other : 0);
  }
  return order;
}

void Race::begin(Instant now, std::vector<Address> candidates) {
  candidates_ = std::move(candidates);
  next_ = 0;
  stagger_until_ = now;
}

Instant Race::start_at() const {
  if (next_ >= candidates_.size() || attempts_.size() >= kRacingMax) return base::kNever;
  if (in_phase(Phase::kStandby) != nullptr) return base::kNever;
  // With a connection up, another is of use only once the server is late with its answer.
  const Attempt* speaker = in_phase(Phase::kSpeaking);
  if (speaker == nullptr) return stagger_until_;
  return std::max(stagger_until_, speaker->spoke_at + kAnswerPatience);
}

void Race::start(Instant now, AttemptId id, const Config& config, Actions& out) {
  const Address& address = candidates_[next_++];
  attempts_.push_back({.id = id,
                       .address = address,
                       .phase = Phase::kConnecting,
                       .deadline = now + config.connect_timeout,
                       .spoke_at = {},
                       .inflow = {}});
  stagger_until_ = now + config.stagger;
  out.push(Connect{id, address, config.port, config.heartbeat});
}

void Race::on_connected(AttemptId id) {
  Attempt* attempt = find(id);
  if (attempt != nullptr && attempt->phase == Phase::kConnecting) attempt->phase = Phase::kStandby;
}

void Race::remove(Instant now, AttemptId id) {
  if (std::erase_if(attempts_, [&](const Attempt& a) { return a.id == id; }) > 0)
    stagger_until_ = now;
}

bool Race::expire(Instant now, Actions& out) {
  const auto gone = std::erase_if(attempts_, [&](const Attempt& a) {
    if (a.deadline > now) return false;
    out.push(Close{a.id});
    return true;
  });
  if (gone > 0) stagger_until_ = now;
  return gone > 0;
}

std::optional<AttemptId> Race::take_turn(Instant now, Actions& out) {
  const Attempt* standby = in_phase(Phase::kStandby);
  if (standby == nullptr) return std::nullopt;
  const AttemptId next = standby->id;
  if (const Attempt* speaker = in_phase(Phase::kSpeaking)) {
    if (speaker->spoke_at + kAnswerPatience > now) return std::nullopt;
    out.push(Close{speaker->id});
    remove(now, speaker->id);
  }
  Attempt* attempt = find(next);
  attempt->phase = Phase::kSpeaking;
  attempt->spoke_at = now;
  return next;
}

Race::Attempt* Race::find(AttemptId id) {
  const auto it = std::find_if(attempts_.begin(), attempts_.end(),
                               [&](const Attempt& a) { return a.id == id; });
  return it == attempts_.end() ? nullptr : &*it;
}

const Race::Attempt* Race::in_phase(Phase phase) const {
  const auto it = std::find_if(attempts_.begin(), attempts_.end(),
                               [&](const Attempt& a) { return a.phase == phase; });
  return it == attempts_.end() ? nullptr : &*it;
}

void Race::finish(AttemptId winner, Actions& out) {
  for (const Attempt& a : attempts_)
    if (a.id != winner) out.push(Close{a.id});
  attempts_.clear();
  candidates_.clear();
  next_ = 0;
}

Instant Race::next_deadline() const {
  Instant next = start_at();
  for (const Attempt& a : attempts_) next = std::min(next, a.deadline);
  const Attempt* speaker = in_phase(Phase::kSpeaking);
  if (speaker != nullptr && in_phase(Phase::kStandby) != nullptr)
    next = std::min(next, speaker->spoke_at + kAnswerPatience);
  return next;
}

}  // namespace wakeline::link
