// SPDX-License-Identifier: Apache-2.0
// Whether the line lives, and how long it may be silent.
#include <algorithm>

#include "core/link/link.h"
#include "core/link/link_parts.h"

namespace wakeline::link {
namespace {

using std::chrono::seconds;

/// Questions before a line without an answer is given up, where nothing else can be reached
/// either (link.md §1, rule 1).
constexpr int kTriesMax = 3;
/// A shorter silence says nothing about a NAT.
constexpr Duration kGapMin = seconds(5);
/// A reset so soon after the kernel's keep-alive was due is the answer to it.
constexpr Duration kProbeAnswer = seconds(5);
/// A heartbeat that is off by less is not worth telling anybody.
constexpr Duration kHeartbeatStep = seconds(1);

}  // namespace

void Link::check_line(Instant now, Actions& out) {
  if (!live_ || live_->subscribing || live_->pinging) return;
  if (now - live_->heard_at > network_.rtt.fresh()) ping(now, out);
}

void Link::ping(Instant now, Actions& out) {
  if (!live_ || live_->pinging || live_->subscribing) return;
  live_->pinging = true;
  live_->asked_patience = false;
  live_->asked_at = now;
  live_->asked_gap = now - live_->active_at;
  live_->tries = 0;
  ask(now, out);
  arm_ping(now);
  const Duration hedge = network_.rtt.hedge();
  if (now + hedge < timers_.at(Timer::kAnswer)) timers_.set(Timer::kHedge, now + hedge);
}

void Link::ask(Instant now, Actions& out) {
  ++live_->tries;
  send(live_->id, wire::mqtt::Pingreq{}, out);
  timers_.set(Timer::kAnswer, now + network_.rtt.patience(config_.ping_timeout_min));
}

/// When the line itself speaks next: by the contract's interval where the kernel keeps the NATs
/// awake, else by the heartbeat. `spoke`: the last bytes on it, from where every interval counts.
void Link::arm_ping(Instant spoke) {
  timers_.clear(Timer::kPing);
  Instant at = base::kNever;
  const Duration keep_alive = live_->keep_alive;
  const bool by_timer = config_.ping_by_timer || foreground_ || !config_.kernel_keeps_alive;
  // A little early: the standard wants a packet within the interval.
  if (keep_alive > Duration::zero() && by_timer)
    at = spoke + std::max(keep_alive / 2, keep_alive - seconds(1));
  if (!config_.kernel_keeps_alive) at = std::min(at, spoke + live_->heartbeat);
  if (at != base::kNever) timers_.set(Timer::kPing, at);
}

void Link::on_answer_late(Instant now, Instant due, Actions& out) {
  if (now - due > kLate && !live_->asked_patience) {
    live_->asked_patience = true;
    timers_.set(Timer::kAnswer, now + network_.rtt.patience(config_.ping_timeout_min));
    return;
  }
  if (live_->pinging && live_->tries < kTriesMax && !race_.has_standby()) {
    ask(now, out);
    return;
  }
  line_died(now, Why::kPeerSilent, out);
}

/// The end of the live line, seen by the kernel or for want of an answer.
void Link::line_died(Instant now, Why why, Actions& out) {
  const bool silent = why == Why::kPeerSilent;
  Loss loss{.why = why, .how = Return::kSpread};
  if (killed_by_silence(now, why)) {
    // Our own line's end: other clients have nothing to do with it.
    loss.how = Return::kAtOnce;
    const Duration silence = live_->pinging ? live_->asked_gap : now - live_->active_at;
    suspect_ = Suspect{gap_of(silence), now};
  }
  // The driver has closed what the kernel ended; what was only silent is still open.
  if (silent && (live_->pinging || live_->subscribing)) out.push(Close{live_->id});
  lost(now, std::move(loss), out);
}

/// Whether a NAT on the way may have forgotten the line.
bool Link::killed_by_silence(Instant now, Why why) const {
  if (live_->pinging || why == Why::kPeerSilent) return true;
  if (why != Why::kPeerReset || !config_.kernel_keeps_alive) return false;
  const Duration silence = now - live_->active_at;
  if (live_->heartbeat == Duration::zero() || silence < live_->heartbeat) return false;
  return silence % live_->heartbeat < kProbeAnswer;
}

/// What a silence of the link was on the wire: the kernel breaks it at each heartbeat.
Duration Link::gap_of(Duration silence) const {
  const bool broken = config_.kernel_keeps_alive && live_->heartbeat > Duration::zero();
  return broken ? std::min(silence, live_->heartbeat) : silence;
}

/// What the server may count on: the contract's ping, or the heartbeat where the line speaks by
/// itself, and a second for the way. While it is still being learnt, the longest that it may
/// become: a longer one could be told by another login alone.
Duration Link::declared_keep_alive() const {
  if (config_.kernel_keeps_alive) return config_.keep_alive;
  const bool settled = config_.heartbeat.settled(network_.gaps);
  return (settled ? heartbeat() : config_.heartbeat.cap) + seconds(1);
}

/// Bytes came, `silence` after the last of either side.
void Link::learn_alive(Instant now, Duration silence, Actions& out) {
  const Duration gap = gap_of(silence);
  if (gap >= kGapMin) learn(now, {Flow::kMain, true, gap}, out);
}

void Link::learn(Instant now, const GapEvidence& evidence, Actions& out) {
  const Gaps before = network_.gaps;
  const Duration h = heartbeat();
  network_.gaps = config_.heartbeat.learn(before, evidence, now);
  // Only what would be dear to learn again is written at once; the rest goes with the next write.
  Gaps same = network_.gaps;
  same.lo = before.lo;
  same.main_lo = before.main_lo;
  same.died = before.died;
  same.proven_at = before.proven_at;
  const Duration off = heartbeat() > h ? heartbeat() - h : h - heartbeat();
  if (!(same == before) || off >= kHeartbeatStep) persist(out);
  if (!live_ || off < kHeartbeatStep) return;
  live_->heartbeat = heartbeat();
  if (config_.kernel_keeps_alive)
    out.push(SetHeartbeat{live_->id, live_->heartbeat});
  else
    arm_ping(live_->active_at);  // what is silent by now is silent
}

/// What was written to the line breaks its silence.
void Link::note_writes(Instant now, const Actions& out) {
  if (!live_) return;
  for (const Action& a : out) {
    const auto* write = std::get_if<Write>(&a);
    if (write != nullptr && write->attempt == live_->id) live_->active_at = now;
  }
}

}  // namespace wakeline::link
