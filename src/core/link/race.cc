// SPDX-License-Identifier: Apache-2.0
#include "core/link/race.h"

#include <algorithm>
#include <utility>

namespace wakeline::link {
namespace {

/// A TLS handshake is late after so many times what TCP took (link.md §3).
constexpr int kSecurePatience = 5;

}  // namespace

void Race::begin(Instant now, std::vector<Candidate> candidates, Pace pace) {
  candidates_ = std::move(candidates);
  pace_ = pace;
  begun_at_ = now;
  next_ = 0;
  stagger_until_ = now;
}

void Race::add(std::vector<Candidate> candidates) {
  const auto older = std::exchange(candidates_, {});
  candidates_.assign(older.begin(), older.begin() + static_cast<std::ptrdiff_t>(next_));
  candidates.insert(candidates.end(), older.begin() + static_cast<std::ptrdiff_t>(next_),
                    older.end());
  for (Candidate& c : candidates) {
    const bool known =
        std::ranges::find(candidates_, c.route, &Candidate::route) != candidates_.end();
    if (!known && candidates_.size() < kCandidatesMax) candidates_.push_back(std::move(c));
  }
}

Instant Race::start_at() const {
  if (next_ >= candidates_.size() || attempts_.size() >= kRacingMax) return base::kNever;
  if (in_phase(Phase::kTcp) != nullptr || has_standby()) return base::kNever;
  if (attempts_.empty()) return stagger_until_;
  const Instant at = std::max(stagger_until_, begun_at_ + candidates_[next_].delay);
  return std::max(at, needed_at());
}

/// With a connection up, more of another is of use only once the server is late with its answer.
Instant Race::needed_at() const {
  Instant at = Instant::min();
  for (const Attempt& a : attempts_) {
    if (a.phase == Phase::kSecuring) at = std::max(at, a.secure_by);
    if (a.phase == Phase::kSpeaking) at = std::max(at, a.spoke_at + pace_.answer);
  }
  return at;
}

Instant Race::handshake_at() const {
  return in_phase(Phase::kTcp) == nullptr || has_standby() ? base::kNever : needed_at();
}

void Race::start(Instant now, AttemptId id, Duration timeout, Duration heartbeat, Actions& out) {
  const Route& route = candidates_[next_++].route;
  attempts_.push_back({.id = id,
                       .route = route,
                       .phase = Phase::kConnecting,
                       .deadline = now + timeout,
                       .began_at = now,
                       .patience = {},
                       .secure_by = {},
                       .spoke_at = {},
                       .inflow = {}});
  stagger_until_ = now + pace_.stagger;
  out.push(Connect{id, route.address, route.port, heartbeat});
}

void Race::on_tcp(Instant now, AttemptId id) {
  Attempt* attempt = find(id);
  if (attempt == nullptr || attempt->phase != Phase::kConnecting) return;
  attempt->phase = Phase::kTcp;
  attempt->patience = std::max((now - attempt->began_at) * kSecurePatience, pace_.stagger);
}

std::optional<AttemptId> Race::take_handshake(Instant now) {
  if (handshake_at() > now) return std::nullopt;
  Attempt* attempt = find(in_phase(Phase::kTcp)->id);
  attempt->phase = Phase::kSecuring;
  attempt->secure_by = now + attempt->patience;
  return attempt->id;
}

void Race::on_connected(AttemptId id) {
  Attempt* attempt = find(id);
  if (attempt != nullptr && attempt->phase < Phase::kStandby) attempt->phase = Phase::kStandby;
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
  Instant next = std::min(start_at(), handshake_at());
  for (const Attempt& a : attempts_) next = std::min(next, a.deadline);
  const Attempt* speaker = in_phase(Phase::kSpeaking);
  if (speaker != nullptr && in_phase(Phase::kStandby) != nullptr)
    next = std::min(next, speaker->spoke_at + pace_.answer);
  return next;
}

}  // namespace wakeline::link
