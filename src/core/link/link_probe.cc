// SPDX-License-Identifier: Apache-2.0
// The second flow: it stays silent for a gap, and then finds out whether the NATs still know it.
#include <algorithm>

#include "core/link/link.h"
#include "core/link/link_parts.h"

namespace wakeline::link {
namespace {

/// The answer may take as long as the line's three tries.
constexpr int kTries = 3;
/// The app is held awake for the answer. On a path whose answers may take longer, late is not told
/// from dead in a time that a measurement is worth.
constexpr Duration kAskMax = std::chrono::seconds(20);

bool answers_too_slowly(const Rtt& rtt) {
  return kTries * rtt.patience(Duration::zero()) > kAskMax;
}

}  // namespace

/// At a wake that happens anyway, when the line has just proven itself.
void Link::begin_probe(Instant now, Actions& out) {
  if (!live_ || !live_->probes || probe_ || !facts_.online) return;
  const Duration gap = config_.heartbeat.decide(network_.gaps, now).probe;
  if (gap == Duration::zero()) return;
  if (answers_too_slowly(network_.rtt)) return;
  probe_ = Probe();
  probe_->id = next_attempt(out);
  probe_->gap = gap;
  timers_.set(Timer::kProbe, now + config_.connect_timeout);
  const Route& route = live_->route;  // a NAT may treat each port in its own way
  out.push(Connect{probe_->id, route.address, route.port, Duration::zero(), true});
}

void Link::on_probe_packet(Instant now, const wire::mqtt::Packet& packet, Actions& out) {
  using Phase = Probe::Phase;
  const auto* connack = std::get_if<wire::mqtt::Connack>(&packet);
  if (probe_->phase == Phase::kGreeting && connack != nullptr &&
      connack->reason == wire::mqtt::Reason::kSuccess) {
    probe_->phase = Phase::kIdle;
    probe_->silent_at = now;
    timers_.set(Timer::kProbe, now + probe_->gap);
  } else if (probe_->phase == Phase::kAsking &&
             std::holds_alternative<wire::mqtt::Pingresp>(packet)) {
    const Duration gap = probe_->gap;
    end_probe(out);
    learn(now, {Flow::kProbe, true, gap}, out);
    begin_probe(now, out);
  } else {
    // The server has its reasons. Nothing is learnt, and it is left alone until the next login.
    live_->probes = false;
    end_probe(out);
  }
}

void Link::on_probe_timer(Instant now, Instant due, Actions& out) {
  using Phase = Probe::Phase;
  if (!probe_) return;
  switch (probe_->phase) {
    case Phase::kConnecting:
    case Phase::kGreeting:
      live_->probes = false;
      end_probe(out);
      break;
    case Phase::kIdle:
      if (answers_too_slowly(network_.rtt)) {
        end_probe(out);
        break;
      }
      // Late is well: the silence was as long as it was.
      probe_->gap = now - probe_->silent_at;
      probe_->phase = Phase::kAsking;
      send(probe_->id, wire::mqtt::Pingreq{}, out);
      timers_.set(
          Timer::kProbe,
          now + std::min(kTries * network_.rtt.patience(config_.ping_timeout_min), kAskMax));
      break;
    case Phase::kAsking:
      if (now - due > kLate && !probe_->asked_patience) {
        probe_->asked_patience = true;
        timers_.set(Timer::kProbe, now + network_.rtt.patience(config_.ping_timeout_min));
      } else {
        out.push(Close{probe_->id});
        probe_died(now, out);
      }
      break;
    case Phase::kDoubted:
      break;
  }
}

/// Its connection ended; the driver has closed it.
void Link::on_probe_ended(Instant now, Actions& out) {
  if (probe_->phase == Probe::Phase::kAsking) {
    probe_died(now, out);
    return;
  }
  if (probe_->phase != Probe::Phase::kIdle) live_->probes = false;
  probe_.reset();
  timers_.clear(Timer::kProbe);
}

/// Dead, if the line itself proves now that the server can be reached (rule 2): its answer decides.
void Link::probe_died(Instant now, Actions& out) {
  probe_->phase = Probe::Phase::kDoubted;
  timers_.clear(Timer::kProbe);
  ping(now, out);
}

/// Without a verdict.
void Link::end_probe(Actions& out) {
  if (!probe_) return;
  if (probe_->phase != Probe::Phase::kDoubted) {
    if (probe_->phase != Probe::Phase::kConnecting) send(probe_->id, wire::mqtt::Disconnect{}, out);
    out.push(Close{probe_->id});
  }
  probe_.reset();
  timers_.clear(Timer::kProbe);
}

}  // namespace wakeline::link
