// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/bug.h"
#include "sim/fault.h"
#include "sim/network.h"

namespace wakeline::sim {

/// A machine that sleeps as a whole when its apps do. Zero `after`: it never does.
struct SleepModel {
  Duration after{};                                  ///< of rest
  Duration resume = std::chrono::milliseconds(300);  ///< from the interrupt to running programs
  bool wakes_on_packet = true;                       ///< the modem or network card wakes it
  bool wakes_on_alarm = true;                        ///< the host may arm the machine's alarm
};

struct AppModel {
  std::string name = "app";
  std::size_t count = 1;
  Duration keep_alive = std::chrono::seconds(600);
  Duration work_max = std::chrono::seconds(5);  ///< the app's own time over one push
  Duration crashes_after{};                     ///< its launch; zero: it does not
  std::size_t crashes = 0;                      ///< so many runs do, then it works
};

/// Where a machine goes, and when.
struct Move {
  Duration at{};
  std::string to;      ///< a network; "none": no network, or flight mode
  Duration sign_in{};  ///< into the captive portal, so long after; zero: never
  Duration overlap{};  ///< the network before stays up so long beside the new one
};

struct DeviceModel {
  std::string name = "device";
  std::size_t count = 1;
  std::string network;  ///< where it starts
  std::string profile = "linux";
  SleepModel sleep;
  std::vector<AppModel> apps = {AppModel{}};
  std::vector<Move> moves;  ///< by time
};

/// What app servers send.
struct PushModel {
  std::string to;         ///< a device's name; empty: to all
  std::string app;        ///< an app's name; empty: all of them
  std::size_t count = 0;  ///< to each app, at random times; or
  Duration every{};       ///< one after the other
  Duration from{};
  Duration until = Duration::max();  ///< the scenario's end, where that is earlier
  bool bursts = false;               ///< one in three comes as a burst
  int short_lived_percent = 0;       ///< with a TTL of up to a minute, which may expire
  /// Pushes with a fault of any kind that the scenario has, in the moment after them: the steps of
  /// a delivery take milliseconds, which faults of other times seldom meet.
  int fault_after_percent = 0;
};

/// What happens at a named time.
struct TimedEvent {
  Duration at{};
  Fault::Kind kind{};
  std::string target = {};  ///< a device's or app's name; empty: all that it can happen to
  Duration lasts{};
  Duration by{};  ///< of a clock's jump
  std::optional<Stop> how = {};
};

/// Means of the times between faults, of each machine, app or the server; zero: never.
struct FaultRates {
  Duration of[static_cast<std::size_t>(Fault::Kind::kCount)] = {};
  Duration& operator[](Fault::Kind kind) { return of[static_cast<std::size_t>(kind)]; }
  Duration operator[](Fault::Kind kind) const { return of[static_cast<std::size_t>(kind)]; }
};

struct ServerModel {
  std::optional<Duration> spread;  ///< W of link.md §2, told to every client; none: by the seed
  int admits_per_s = 0;            ///< new connections; 0: as many as come
};

/// Very many clients that lose their server at one moment; simulated lean, see `storm.h`.
struct StormModel {
  std::size_t clients = 0;
  int admits_per_s = 2'000;
  Duration outage = std::chrono::seconds(60);
  bool announced = false;  ///< a planned restart, which the server tells over `drain`
  bool busy_slots = true;  ///< the server answers what it cannot admit with a time to return
};

/// What a world is made of, and how it is disturbed.
struct Scenario {
  std::string name;
  std::string title;
  std::string about;
  Duration lasts = std::chrono::minutes(25);  ///< after that, everything works again
  std::vector<NetworkModel> networks;
  std::vector<DeviceModel> devices;
  std::vector<PushModel> pushes;
  std::vector<TimedEvent> events;
  FaultRates faults;
  ServerModel server;
  std::optional<StormModel> storm;
  bool any_names = false;  ///< the seed decides how the addresses of the server's name behave
  Bug bug = Bug::kNone;    ///< not of the file

  const NetworkModel* network(std::string_view wanted) const;
};

/// One device and one app of a world, spread out of the models; `index` is its number there.
struct DevicePlace {
  std::size_t index;
  const DeviceModel* model;
  std::vector<std::size_t> apps;
};
struct AppPlace {
  std::size_t index;
  std::size_t device;
  const AppModel* model;
};
struct Places {
  std::vector<DevicePlace> devices;
  std::vector<AppPlace> apps;
};
/// Lifetime: views `scenario`.
Places places_of(const Scenario& scenario);

/// One push of an app server.
struct PlannedPush {
  Instant at;
  std::size_t app = 0;
  Duration ttl{};  ///< zero: kept until it is delivered
};

/// What a seed does to its world, by time. A push or fault keeps its number when others are left
/// out, which is how a failing plan is shrunk.
struct Plan {
  std::vector<PlannedPush> pushes;
  std::vector<Fault> faults;
};
Plan make_plan(const Scenario& scenario, std::uint64_t seed);

}  // namespace wakeline::sim
