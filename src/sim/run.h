// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/network.h"
#include "sim/scenario.h"
#include "sim/timeline.h"

namespace wakeline::sim {

/// Which of a plan's faults and pushes happen, by their numbers in it; none: all.
struct Selection {
  std::optional<std::vector<std::size_t>> faults;
  std::optional<std::vector<std::size_t>> pushes;
};

struct RunOptions {
  Selection keep;
  std::optional<Duration> until;  ///< the run ends there, and what is under way is not judged
  bool tracing = false;
  bool recording = false;  ///< stories for a report
};

/// What a run proved, or broke.
struct Report {
  std::uint64_t seed = 0;
  std::uint64_t digest = 0;  ///< the same for the same scenario, seed and code
  std::vector<std::string> violations;
  Instant first_violation_at{};

  std::uint64_t accepted = 0;     ///< pushes answered with 201
  std::uint64_t delivered = 0;    ///< given to an app for the first time
  std::uint64_t redelivered = 0;  ///< given again to a later run of an app that had not kept it
  std::uint64_t expired = 0;      ///< the server's store says that their time was over
  std::uint64_t refused = 0;      ///< the server was down, or died over it: no promise
  std::uint64_t not_judged = 0;   ///< accepted, and still on the way when the run was ended
  std::uint64_t wakes = 0;
  std::uint64_t launches = 0;
  std::uint64_t turned_away = 0;  ///< connections that the server had no room for
  std::uint64_t events = 0;
  Duration virtual_time{};
  Duration span{};                ///< of the scenario, which the figures are of
  bool ended = false;             ///< by `until`: no promise about what was on the way
  std::size_t in_flight_max = 0;  ///< of one session
  Duration unread_max{};          ///< the longest that bytes waited in a suspended app's socket
  Duration ring_max{};  ///< at rest: 201 to the app's handler, the slowest app; zero: not rung

  std::vector<Duration> latencies;    ///< of the deliveries before the rest; rising
  std::vector<Detection> detections;  ///< of dead connections
  std::vector<DeviceStory> devices;   ///< when recording

  bool ok() const { return violations.empty(); }
};
/// "seed 17: ok, 96 accepted, 96 delivered, …" or the violations.
std::string to_line(const Report& report);

/// Runs one world. The same scenario, seed and options give the same report.
Report run(const Scenario& scenario, std::uint64_t seed, const RunOptions& options = {});

/// The same run as a text for people: seed, fault plan, every event and action of the machines in
/// one line each, the report.
std::string explain(const Scenario& scenario, std::uint64_t seed, RunOptions options = {});

/// Of a failing run: the fewest faults and pushes, and the earliest end, that still break the same
/// promise. Bounded by `runs_max`; what it found until then is returned.
RunOptions shrink(const Scenario& scenario, std::uint64_t seed, std::size_t runs_max);
/// "--seed 17 --until 612500ms --faults 3,9 --pushes none": what replays it.
std::string replay_options(std::uint64_t seed, const RunOptions& options);

/// The smallest value that at least `percent` of `rising` do not exceed; zero of none.
Duration percentile(const std::vector<Duration>& rising, int percent);

}  // namespace wakeline::sim
