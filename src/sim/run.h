// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "sim/scenario.h"

namespace wakeline::sim {

/// What a run proved, or broke.
struct Report {
  std::uint64_t seed = 0;
  std::uint64_t digest = 0;  ///< the same for the same scenario, seed and code
  std::vector<std::string> violations;

  std::uint64_t accepted = 0;     ///< pushes answered with 201
  std::uint64_t delivered = 0;    ///< given to an app for the first time
  std::uint64_t redelivered = 0;  ///< given again to a later run of an app that had not kept it
  std::uint64_t expired = 0;      ///< short-lived ones that nobody saw
  std::uint64_t refused = 0;      ///< the server was down, or died over it: no promise
  std::uint64_t wakes = 0;
  std::uint64_t launches = 0;
  std::uint64_t events = 0;
  Duration virtual_time{};
  std::size_t in_flight_max = 0;  ///< of one session
  Duration unread_max{};          ///< the longest that bytes waited in a suspended app's socket
  Duration ring_max{};            ///< at rest: 201 to the app's handler, the slowest app

  bool ok() const { return violations.empty(); }
};
/// "seed 17: ok, 96 accepted, 96 delivered, …" or the violations.
std::string to_line(const Report& report);

/// Runs one world. The same scenario and seed give the same report.
Report run(const Scenario& scenario, std::uint64_t seed);

/// The same run as a text for people: seed, fault plan, every event and action of the machines in
/// one line each, the report.
std::string explain(const Scenario& scenario, std::uint64_t seed);

}  // namespace wakeline::sim
