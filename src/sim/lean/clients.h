// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/link/types.h"
#include "sim/lean/lane.h"
#include "sim/lean/rules.h"

namespace wakeline::sim::lean {

/// Runs a lane with another client's rules.
LaneFigures run_rules(const LaneWorld& world, const Rules& rules, std::uint64_t seed);

/// How our client is driven.
struct OurWay {
  /// The kernel keeps the line while the app sleeps (C39), and the app pings by the contract's
  /// keep-alive; false: the app sleeps without it, and the link speaks by its heartbeat.
  bool kernel = false;
  Duration spread = std::chrono::seconds(5);  ///< the server's W
  link::HeartbeatPolicy policy{};
};
/// Runs a lane with the real machine, `link::Link`.
LaneFigures run_ours(const LaneWorld& world, const OurWay& way, std::uint64_t seed);

}  // namespace wakeline::sim::lean
