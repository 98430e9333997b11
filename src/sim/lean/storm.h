// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sim/lean/rules.h"
#include "sim/scenario.h"

namespace wakeline::sim::lean {

/// What a server saw of its clients' return.
struct StormFigures {
  std::size_t clients = 0;
  std::size_t back = 0;           ///< within the hour
  std::uint64_t attempts = 0;     ///< from the loss on
  std::uint64_t peak_per_s = 0;   ///< attempts in one second, after the server is back
  std::uint64_t burst_per_s = 0;  ///< and in any second
  Duration half{};                ///< after the server's return, half of them are back
  Duration most{};                ///< 99 %
  std::uint64_t digest = 0;
  double attempts_per_client() const {
    return static_cast<double>(attempts) / static_cast<double>(clients);
  }
};

/// Every client of a server that is gone for a while notices at one moment. The clients are as lean
/// as can be: a generator and what decides when to come back; ours is `link::Backoff`, which is all
/// of the machine that takes part. Worst case by intent: nobody notices later than another.
/// `foreign` null: ours.
StormFigures run_storm(const StormModel& model, const Rules* foreign, std::uint64_t seed);

}  // namespace wakeline::sim::lean
