// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sim/network.h"
#include "sim/server.h"

namespace wakeline::sim {

/// What a world is made of, and how often it is disturbed. Times between faults are means, of each
/// machine, app or the server; zero: never.
struct Scenario {
  std::string name;
  std::size_t machines = 2;
  std::size_t apps_per_machine = 2;
  Duration disturbed = std::chrono::minutes(25);  ///< after that, everything works again
  std::size_t pushes = 16;                        ///< to each app in that time
  int short_lived_percent = 10;  ///< pushes with a TTL of up to a minute, which may expire
  /// Pushes with a fault of any kind that the scenario has, in the moment after them: the steps of
  /// a delivery take milliseconds, which faults of other times seldom meet.
  int fault_after_push_percent = 15;
  PathModel path{};
  /// A bug planted into the server, to prove that the judge sees it: 201 before the commit.
  bool answers_before_commit = false;

  Duration cut_every{};          ///< a machine's path carries nothing for a while
  Duration reset_every{};        ///< a machine's connections are reset
  Duration forget_every{};       ///< a NAT forgets them: half-open for ever
  Duration offline_every{};      ///< no network, then another or the same address
  Duration server_stop_every{};  ///< gracefully, killed or without power
  Duration app_crash_every{};
  Duration foreground_every{};  ///< the user opens an app for a while
};

/// Lost connections of every kind and server restarts; apps live on.
Scenario disturbed();
/// The same, and apps that crash.
Scenario crashing();
/// "disturbed", "crashing"; nullptr for another name.
const Scenario* find_scenario(std::string_view name);

/// One disturbance of a run.
struct Fault {
  enum class Kind : std::uint8_t {
    kCut,
    kReset,
    kForget,
    kOffline,
    kServerStop,
    kAppCrash,
    kForeground
  };
  Instant at;
  Kind kind;
  std::size_t target = 0;  ///< machine or app
  Duration lasts{};
  Stop how = Stop::kKilled;  ///< of a kServerStop
  bool new_address = false;  ///< after a kOffline
};
/// "  123.456 s  offline machine 1 for 12.3 s, new address".
std::string to_line(const Fault& fault);

/// One push of an app server.
struct PlannedPush {
  Instant at;
  std::size_t app = 0;
  bool short_lived = false;
};

/// What a seed does to its world, by time.
struct Plan {
  std::vector<PlannedPush> pushes;
  std::vector<Fault> faults;
};
Plan make_plan(const Scenario& scenario, std::uint64_t seed);

}  // namespace wakeline::sim
