// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/time.h"
#include "core/link/heartbeat.h"

namespace wakeline::sim::lean {

using base::Duration;
using base::Instant;

struct IdleFigures {
  std::uint64_t heartbeats = 0;
  std::uint64_t probes = 0;
  std::uint64_t deaths = 0;
  std::uint64_t digest = 0;
};

/// An idle device on one NAT: nothing happens but its heartbeat and what that learns, so this is
/// `link::HeartbeatPolicy` and no more. For fleets, where a whole Link each would be slow.
inline IdleFigures run_idle(const link::HeartbeatPolicy& policy, Duration nat, Duration lasts) {
  IdleFigures figures;
  link::Gaps gaps;
  Instant now{};
  Instant probe_since{};
  const Instant end{lasts};
  while (now < end) {
    const auto plan = policy.decide(gaps, now);
    now += plan.heartbeat;
    ++figures.heartbeats;
    const bool alive = plan.heartbeat <= nat;
    if (!alive) ++figures.deaths;
    gaps = policy.learn(gaps, {link::Flow::kMain, alive, plan.heartbeat}, now);
    // The second flow is asked at the first wake after its gap.
    const Duration silent = now - probe_since;
    if (plan.probe > Duration::zero() && silent >= plan.probe) {
      ++figures.probes;
      gaps = policy.learn(gaps, {link::Flow::kProbe, plan.probe <= nat, plan.probe}, now);
      probe_since = now;
    }
    figures.digest = figures.digest * 31 + static_cast<std::uint64_t>(plan.heartbeat.count());
  }
  return figures;
}

}  // namespace wakeline::sim::lean
