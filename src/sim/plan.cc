// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "sim/scenario.h"

namespace wakeline::sim {
namespace {

using Kind = Fault::Kind;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// Kinds that come by a rate; a move is only planned.
constexpr Kind kByRate[] = {Kind::kCut,        Kind::kReset,        Kind::kForget,
                            Kind::kOffline,    Kind::kServerStop,   Kind::kAppCrash,
                            Kind::kForeground, Kind::kHostRestart,  Kind::kDeviceRestart,
                            Kind::kClockJump,  Kind::kServerUpgrade};
/// The first of them come in the moment after a push, too. A number of its own: another kind in
/// that draw would give every known seed another world.
constexpr std::size_t kAfterPush = 10;

/// By key; what has the same key stays in its order, so that every library sorts it alike.
template <class T, class Key>
void sort(std::vector<T>& items, Key key) {
  std::vector<std::pair<decltype(key(items.front())), std::size_t>> order;
  order.reserve(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) order.emplace_back(key(items[i]), i);
  std::ranges::sort(order);
  std::vector<T> sorted;
  sorted.reserve(items.size());
  for (const auto& [its_key, i] : order) sorted.push_back(std::move(items[i]));
  items = std::move(sorted);
}

/// Draws the plan of one seed.
class Planner {
 public:
  Planner(const Scenario& scenario, std::uint64_t seed)
      : s_(scenario), places_(places_of(scenario)), seed_(seed) {}

  Plan make() {
    for (const Kind kind : kByRate)
      for (std::size_t target = 0; target < targets(kind); ++target) spread(kind, target);
    for (std::size_t i = 0; i < s_.pushes.size(); ++i) push_all(s_.pushes[i], i);
    for (const TimedEvent& event : s_.events) happen(event);
    for (const DevicePlace& device : places_.devices)
      for (const Move& move : device.model->moves) go(move, device.index);
    sort(plan_.pushes, [](const PlannedPush& p) { return std::pair(p.at, p.app); });
    sort(plan_.faults, [](const Fault& f) { return std::tuple(f.at, f.kind, f.target); });
    return std::move(plan_);
  }

 private:
  std::size_t targets(Kind kind) const {
    switch (target_of(kind)) {
      case FaultTarget::kMachine:
        return places_.devices.size();
      case FaultTarget::kApp:
        return places_.apps.size();
      case FaultTarget::kServer:
        break;
    }
    return 1;
  }

  /// Mostly short, sometimes long: the square of an even draw.
  static Duration some_time(base::Random& random, Duration most) {
    const std::uint64_t draw = random.below(1'000);
    return milliseconds(50) + most * static_cast<std::int64_t>(draw * draw) / 1'000'000;
  }

  static Fault make(base::Random& random, Kind kind, std::size_t target, Instant at) {
    Fault f{.at = at, .kind = kind, .target = target};
    if (kind == Kind::kCut || kind == Kind::kForeground) f.lasts = some_time(random, minutes(3));
    if (kind == Kind::kServerStop) {
      f.lasts = some_time(random, minutes(2));
      f.how = static_cast<Stop>(random.below(static_cast<std::uint64_t>(Stop::kCount)));
    }
    if (kind == Kind::kOffline) {
      f.lasts = some_time(random, minutes(10));
      f.new_address = random.chance(2, 3);
    }
    if (kind == Kind::kHostRestart) f.lasts = some_time(random, seconds(5));
    if (kind == Kind::kDeviceRestart) f.lasts = seconds(2) + some_time(random, minutes(1));
    if (kind == Kind::kClockJump) f.by = random.between(-minutes(30), minutes(30));
    return f;
  }

  void spread(Kind kind, std::size_t target) {
    const Duration every = s_.faults[kind];
    if (every <= Duration::zero()) return;
    base::Random random = random_of(seed_, name(kind), target);
    Instant at{};
    for (;;) {
      at += random.between(milliseconds(1), 2 * every);
      if (at.time_since_epoch() >= s_.lasts) return;
      plan_.faults.push_back(make(random, kind, target, at));
      at += plan_.faults.back().lasts;
    }
  }

  void push_all(const PushModel& model, std::size_t number) {
    for (const AppPlace& app : places_.apps) {
      if (!model.to.empty() && places_.devices[app.device].model->name != model.to) continue;
      if (!model.app.empty() && app.model->name != model.app) continue;
      base::Random random = random_of(seed_ + number, "pushes", app.index);
      push(model, app, random);
    }
  }

  void push(const PushModel& model, const AppPlace& app, base::Random& random) {
    const Duration until = std::min(model.until, s_.lasts);
    if (until <= model.from) return;
    for (std::size_t i = 0; i < model.count; ++i)
      push_one(model, app, Instant(random.between(model.from, until)), random);
    if (model.every <= Duration::zero()) return;
    for (Duration at = model.from; at < until; at += model.every)
      push_one(model, app, Instant(at), random);
  }

  void push_one(const PushModel& model, const AppPlace& app, Instant at, base::Random& random) {
    const auto percent = [&](int p) { return random.below(100) < static_cast<std::uint64_t>(p); };
    const bool short_lived = percent(model.short_lived_percent);
    const std::size_t burst = model.bursts && random.chance(1, 3) ? 2 + random.below(4) : 1;
    for (std::size_t b = 0; b < burst; ++b) {
      const Instant when =
          model.bursts ? at + random.between(Duration::zero(), milliseconds(200)) : at;
      const Duration ttl = short_lived ? random.between(seconds(1), seconds(60)) : Duration::zero();
      plan_.pushes.push_back({when, app.index, ttl});
    }
    if (percent(model.fault_after_percent)) fault_after(app, at, random);
  }

  void fault_after(const AppPlace& app, Instant push_at, base::Random& random) {
    Kind kind = kByRate[random.below(kAfterPush)];
    if (s_.faults[Kind::kAppCrash] > Duration::zero() && random.chance(1, 2))
      kind = Kind::kAppCrash;
    if (s_.faults[kind] <= Duration::zero()) return;
    const FaultTarget of = target_of(kind);
    const std::size_t target = of == FaultTarget::kServer ? 0
                               : of == FaultTarget::kApp  ? app.index
                                                          : app.device;
    // Within the delivery, or within the app's work on it.
    const Duration most = random.chance(1, 2) ? milliseconds(300) : Duration(seconds(6));
    const Instant at = push_at + random.between(Duration::zero(), most);
    if (at.time_since_epoch() < s_.lasts) plan_.faults.push_back(make(random, kind, target, at));
  }

  void happen(const TimedEvent& event) {
    for (std::size_t target = 0; target < targets(event.kind); ++target) {
      const FaultTarget of = target_of(event.kind);
      const bool meant =
          event.target.empty() || of == FaultTarget::kServer ||
          (of == FaultTarget::kMachine && places_.devices[target].model->name == event.target) ||
          (of == FaultTarget::kApp && places_.apps[target].model->name == event.target);
      if (!meant) continue;
      plan_.faults.push_back({.at = Instant(event.at),
                              .kind = event.kind,
                              .target = target,
                              .lasts = event.lasts,
                              .how = event.how.value_or(Stop::kKilled),
                              .by = event.by});
    }
  }

  void go(const Move& move, std::size_t machine) {
    const NetworkModel* to = s_.network(move.to);
    plan_.faults.push_back({.at = Instant(move.at),
                            .kind = Kind::kMove,
                            .target = machine,
                            .lasts = move.overlap,
                            .network = to == nullptr
                                           ? kNoNetwork
                                           : static_cast<std::size_t>(to - s_.networks.data())});
    if (move.sign_in > Duration::zero())
      plan_.faults.push_back(
          {.at = Instant(move.at + move.sign_in), .kind = Kind::kSignIn, .target = machine});
  }

  const Scenario& s_;
  Places places_;
  std::uint64_t seed_;
  Plan plan_;
};

}  // namespace

const NetworkModel* Scenario::network(std::string_view wanted) const {
  const auto it = std::ranges::find(networks, wanted, &NetworkModel::name);
  return it == networks.end() ? nullptr : &*it;
}

Places places_of(const Scenario& scenario) {
  Places places;
  for (const DeviceModel& model : scenario.devices) {
    for (std::size_t i = 0; i < model.count; ++i) {
      DevicePlace device{.index = places.devices.size(), .model = &model, .apps = {}};
      for (const AppModel& app : model.apps) {
        for (std::size_t k = 0; k < app.count; ++k) {
          device.apps.push_back(places.apps.size());
          places.apps.push_back(
              {.index = places.apps.size(), .device = device.index, .model = &app});
        }
      }
      places.devices.push_back(std::move(device));
    }
  }
  return places;
}

Plan make_plan(const Scenario& scenario, std::uint64_t seed) {
  return Planner(scenario, seed).make();
}

}  // namespace wakeline::sim
