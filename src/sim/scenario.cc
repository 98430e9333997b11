// SPDX-License-Identifier: Apache-2.0
#include "sim/scenario.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

namespace wakeline::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

double seconds_of(Duration span) { return std::chrono::duration<double>(span).count(); }

using Kind = Fault::Kind;

/// Draws the plan of one seed.
class Planner {
 public:
  Planner(const Scenario& scenario, std::uint64_t seed)
      : s_(scenario), random_(seed ^ 0xFA17'5000'0000'0001ULL) {}

  Plan make() {
    const std::size_t apps = s_.machines * s_.apps_per_machine;
    for (std::size_t m = 0; m < s_.machines; ++m)
      for (const Kind kind : {Kind::kCut, Kind::kReset, Kind::kForget, Kind::kOffline})
        spread(kind, m);
    for (std::size_t app = 0; app < apps; ++app)
      for (const Kind kind : {Kind::kAppCrash, Kind::kForeground}) spread(kind, app);
    spread(Kind::kServerStop, 0);
    for (std::size_t app = 0; app < apps; ++app) push(app);
    std::ranges::sort(plan_.pushes, {},
                      [](const PlannedPush& p) { return std::pair(p.at, p.app); });
    std::ranges::sort(plan_.faults, {},
                      [](const Fault& f) { return std::tuple(f.at, f.kind, f.target); });
    return std::move(plan_);
  }

 private:
  Duration every(Kind kind) const {
    switch (kind) {
      case Kind::kCut:
        return s_.cut_every;
      case Kind::kReset:
        return s_.reset_every;
      case Kind::kForget:
        return s_.forget_every;
      case Kind::kOffline:
        return s_.offline_every;
      case Kind::kServerStop:
        return s_.server_stop_every;
      case Kind::kAppCrash:
        return s_.app_crash_every;
      case Kind::kForeground:
        return s_.foreground_every;
    }
    return {};
  }

  /// Mostly short, sometimes long: the square of an even draw.
  Duration some_time(Duration most) {
    const std::uint64_t draw = random_.below(1'000);
    return milliseconds(50) + most * static_cast<std::int64_t>(draw * draw) / 1'000'000;
  }

  Fault make(Kind kind, std::size_t target, Instant at) {
    Fault f{.at = at, .kind = kind, .target = target};
    if (kind == Kind::kCut || kind == Kind::kForeground) f.lasts = some_time(minutes(3));
    if (kind == Kind::kServerStop) {
      f.lasts = some_time(minutes(2));
      f.how = static_cast<Stop>(random_.below(3));
    }
    if (kind == Kind::kOffline) {
      f.lasts = some_time(minutes(10));
      f.new_address = random_.chance(2, 3);
    }
    return f;
  }

  void spread(Kind kind, std::size_t target) {
    if (every(kind) <= Duration::zero()) return;
    Instant at{};
    for (;;) {
      at += random_.between(milliseconds(1), 2 * every(kind));
      if (at.time_since_epoch() >= s_.disturbed) return;
      plan_.faults.push_back(make(kind, target, at));
      at += plan_.faults.back().lasts;
    }
  }

  void push(std::size_t app) {
    for (std::size_t i = 0; i < s_.pushes; ++i) {
      const Instant at{random_.between(Duration::zero(), s_.disturbed)};
      const bool short_lived = percent(s_.short_lived_percent);
      // One in three comes as a burst.
      const std::size_t burst = random_.chance(1, 3) ? 2 + random_.below(4) : 1;
      for (std::size_t b = 0; b < burst; ++b)
        plan_.pushes.push_back(
            {at + random_.between(Duration::zero(), milliseconds(200)), app, short_lived});
      if (percent(s_.fault_after_push_percent)) fault_after(app, at);
    }
  }

  void fault_after(std::size_t app, Instant push_at) {
    constexpr Kind kKinds[] = {Kind::kCut,        Kind::kReset,    Kind::kForget,    Kind::kOffline,
                               Kind::kServerStop, Kind::kAppCrash, Kind::kForeground};
    Kind kind = kKinds[random_.below(std::size(kKinds))];
    if (every(Kind::kAppCrash) > Duration::zero() && random_.chance(1, 2)) kind = Kind::kAppCrash;
    if (every(kind) <= Duration::zero()) return;
    const bool of_app = kind == Kind::kAppCrash || kind == Kind::kForeground;
    const std::size_t target = kind == Kind::kServerStop ? 0
                               : of_app                  ? app
                                                         : app / s_.apps_per_machine;
    // Within the delivery, or within the app's work on it.
    const Duration most = random_.chance(1, 2) ? milliseconds(300) : Duration(seconds(6));
    const Instant at = push_at + random_.between(Duration::zero(), most);
    if (at.time_since_epoch() < s_.disturbed) plan_.faults.push_back(make(kind, target, at));
  }

  bool percent(int p) { return random_.below(100) < static_cast<std::uint64_t>(p); }

  Scenario s_;
  base::Random random_;
  Plan plan_;
};

}  // namespace

Scenario disturbed() {
  Scenario s;
  s.name = "disturbed";
  s.cut_every = minutes(6);
  s.reset_every = minutes(8);
  s.forget_every = minutes(10);
  s.offline_every = minutes(10);
  s.server_stop_every = minutes(6);
  s.foreground_every = minutes(12);
  return s;
}

Scenario crashing() {
  Scenario s = disturbed();
  s.name = "crashing";
  s.app_crash_every = minutes(4);
  s.fault_after_push_percent = 40;
  return s;
}

const Scenario* find_scenario(std::string_view name) {
  static const std::array<Scenario, 2> kAll = {disturbed(), crashing()};
  const auto it = std::ranges::find(kAll, name, &Scenario::name);
  return it == kAll.end() ? nullptr : &*it;
}

Plan make_plan(const Scenario& scenario, std::uint64_t seed) {
  return Planner(scenario, seed).make();
}

std::string to_line(const Fault& f) {
  constexpr std::string_view kNames[] = {"cut machine",     "reset machine", "forget machine",
                                         "offline machine", "stop server",   "crash app",
                                         "foreground app"};
  constexpr std::string_view kHow[] = {"gracefully", "killed", "without power"};
  std::string line = fmt::format("{:12.3f} s  {} {}", seconds_of(f.at.time_since_epoch()),
                                 kNames[static_cast<std::size_t>(f.kind)], f.target);
  if (f.lasts > Duration::zero()) line += fmt::format(" for {:.3f} s", seconds_of(f.lasts));
  if (f.kind == Fault::Kind::kServerStop)
    line += fmt::format(", {}", kHow[static_cast<std::size_t>(f.how)]);
  if (f.new_address) line += ", new address";
  return line;
}

}  // namespace wakeline::sim
