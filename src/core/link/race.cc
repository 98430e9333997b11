// SPDX-License-Identifier: Apache-2.0
#include "core/link/race.h"

#include <algorithm>

namespace wakeline::link {

void Race::begin(Instant now, std::vector<Candidate> candidates, Pace pace) {
  candidates_ = std::move(candidates);
  pace_ = pace;
  begun_at_ = now;
  next_ = 0;
  stagger_until_ = now;
}

void Race::add(const std::vector<Candidate>& candidates) {
  for (const Candidate& c : candidates) {
    const bool known =
        std::ranges::find(candidates_, c.route, &Candidate::route) != candidates_.end();
    if (!known && candidates_.size() < kCandidatesMax) candidates_.push_back(c);
  }
}

Instant Race::start_at() const {
  if (next_ >= candidates_.size() || attempts_.size() >= kRacingMax) return base::kNever;
  if (in_phase(Phase::kStandby) != nullptr) return base::kNever;
  if (attempts_.empty()) return stagger_until_;
  const Instant at = std::max(stagger_until_, begun_at_ + candidates_[next_].delay);
  // With a connection up, another is of use only once the server is late with its answer.
  const Attempt* speaker = in_phase(Phase::kSpeaking);
  return speaker == nullptr ? at : std::max(at, speaker->spoke_at + pace_.answer);
}

void Race::start(Instant now, AttemptId id, Duration timeout, Duration heartbeat, Actions& out) {
  const Route& route = candidates_[next_++].route;
  attempts_.push_back({.id = id,
                       .route = route,
                       .phase = Phase::kConnecting,
                       .deadline = now + timeout,
                       .spoke_at = {},
                       .inflow = {}});
  stagger_until_ = now + pace_.stagger;
  out.push(Connect{id, route.address, route.port, heartbeat});
}

void Race::on_connected(AttemptId id) {
  Attempt* attempt = find(id);
  if (attempt != nullptr && attempt->phase == Phase::kConnecting) attempt->phase = Phase::kStandby;
}

void Race::remove(Instant now, AttemptId id) {
  if (std::erase_if(attempts_, [&](const Attempt& a) { return a.id == id; }) > 0)
    stagger_until_ = now;
}

std::vector<Route> Race::expire(Instant now, Actions& out) {
  std::vector<Route> gone;
  std::erase_if(attempts_, [&](const Attempt& a) {
    if (a.deadline > now) return false;
    gone.push_back(a.route);
    out.push(Close{a.id});
    return true;
  });
  if (!gone.empty()) stagger_until_ = now;
  return gone;
}

std::optional<Route> Race::end_turn(Instant now, Actions& out) {
  const Attempt* speaker = in_phase(Phase::kSpeaking);
  if (speaker == nullptr || !has_standby()) return std::nullopt;
  if (speaker->spoke_at + pace_.answer > now) return std::nullopt;
  Route route = speaker->route;
  out.push(Close{speaker->id});
  remove(now, speaker->id);
  return route;
}

std::optional<AttemptId> Race::take_turn(Instant now) {
  const Attempt* standby = in_phase(Phase::kStandby);
  if (standby == nullptr || has_speaker()) return std::nullopt;
  Attempt* attempt = find(standby->id);
  attempt->phase = Phase::kSpeaking;
  attempt->spoke_at = now;
  return attempt->id;
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
    next = std::min(next, speaker->spoke_at + pace_.answer);
  return next;
}

}  // namespace wakeline::link
