// SPDX-License-Identifier: Apache-2.0
#include "sim/world.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"

namespace wakeline::sim {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// A run that needs more events does not end: so many, and so many for each app and day.
constexpr std::uint64_t kEventsMin = 3'000'000;
constexpr std::uint64_t kEventsOfAppDay = 200'000;
/// Violations that are kept; one broken rule makes many.
constexpr std::size_t kViolationsMax = 20;
/// After the last fault, beyond the longest keep-alive: every kernel has found its dead lines by
/// then (240 s and probes), and the slowest back-off has ended.
constexpr Duration kRestBeyond = minutes(6);
constexpr Duration kRestMax = hours(2);
/// A push to a sleeping app is there by then; the wake limiter may hold it back for a minute.
constexpr Duration kRingMax = seconds(75);
/// Points of a report's lines.
constexpr std::int64_t kSamples = 20'000;

Names names_of(base::Random random) {
  Names names;
  names.has_ipv6 = random.chance(1, 2);
  names.ipv6_black_hole = random.chance(1, 3);
  return names;
}

std::vector<const NetworkModel*> first_networks(const Scenario& scenario, const Places& places) {
  std::vector<const NetworkModel*> first;
  for (const DevicePlace& device : places.devices) {
    const NetworkModel* model = scenario.network(device.model->network);
    WL_CHECK_MSG(model != nullptr, "network={}", device.model->network);
    first.push_back(model);
  }
  return first;
}

}  // namespace

World::World(const Scenario& scenario, std::uint64_t seed, const RunOptions& options)
    : scenario_(scenario),
      options_(options),
      places_(places_of(scenario)),
      plan_(make_plan(scenario, seed)),
      kernel_(seed, options.tracing),
      network_(kernel_, first_networks(scenario, places_)),
      server_(kernel_, network_, *this, places_.apps.size(), scenario.server, scenario.bug) {
  report_.seed = seed;
  apps_.resize(places_.apps.size());
  if (options.recording) network_.record();
  const Machine::Parts parts{kernel_, network_, *this, *this, scenario.bug};
  for (const DevicePlace& device : places_.devices) {
    const Names names =
        scenario.any_names ? names_of(kernel_.random_of("names", device.index)) : Names{};
    machines_.push_back(std::make_unique<Machine>(parts, names, device, places_));
  }
  const auto days = static_cast<std::uint64_t>(scenario.lasts / hours(24)) + 1;
  events_max_ = kEventsMin + kEventsOfAppDay * days * places_.apps.size();
}

Report World::run() {
  for (auto& machine : machines_) machine->boot();
  schedule(options_.keep);
  if (options_.recording) sample();
  const Duration end = options_.until ? *options_.until : scenario_.lasts;
  bool going = run_for(std::min(end, scenario_.lasts));
  collect();
  if (going && end > scenario_.lasts) going = run_for(end - scenario_.lasts);
  report_.span = std::min(end, scenario_.lasts);
  report_.ended = options_.until.has_value();
  if (going && !report_.ended) {
    heal();
    settle();
    if (report_.ok()) ring();
  }
  if (going) judge_pushes();
  for (const auto& machine : machines_)
    report_.unread_max = std::max(report_.unread_max, machine->unread_max());
  report_.turned_away = server_.turned_away();
  report_.in_flight_max = server_.in_flight_max();
  report_.events = kernel_.events();
  report_.virtual_time = kernel_.now().time_since_epoch();
  report_.digest = kernel_.digest();
  return std::move(report_);
}

/// What belongs to the scenario itself, without the rest after it.
void World::collect() {
  for (const Push& push : pushes_)
    if (push.deliveries > 0 && push.answered)
      report_.latencies.push_back(push.delivered_at - push.accepted_at);
  std::ranges::sort(report_.latencies);
  report_.detections = network_.detections();
  for (const auto& machine : machines_) {
    report_.wakes += machine->wakes();
    report_.launches += machine->launches();
    if (options_.recording) report_.devices.push_back(machine->take_story());
  }
}

bool World::run_for(Duration span) {
  const bool done = kernel_.run_until(kernel_.now() + span, events_max_);
  if (!done) violation("the run does not end: too many events");
  return done;
}

void World::schedule(const Selection& keep) {
  const auto happens = [](const std::optional<std::vector<std::size_t>>& kept, std::size_t i) {
    return !kept || std::ranges::find(*kept, i) != kept->end();
  };
  for (std::size_t i = 0; i < plan_.faults.size(); ++i)
    if (happens(keep.faults, i))
      kernel_.at(plan_.faults[i].at, [this, fault = plan_.faults[i]] { happen(fault); });
  for (std::size_t i = 0; i < plan_.pushes.size(); ++i)
    if (happens(keep.pushes, i))
      kernel_.at(plan_.pushes[i].at, [this, push = plan_.pushes[i]] { post(push.app, push.ttl); });
}

void World::post(std::size_t app, Duration ttl) {
  const std::uint64_t id = pushes_.size();
  const bool short_lived = ttl > Duration::zero();
  // A commit may take a moment before its row is dated.
  const Instant latest = short_lived ? server_.wall() + ttl + seconds(1) : base::kNever;
  pushes_.push_back({.app = app, .expires_at = latest});
  server_.post(app, id, ttl, [this, id, ttl, short_lived](bool accepted) {
    Push& push = pushes_[id];
    // The clock may have been set since.
    if (short_lived) push.expires_at = std::min(push.expires_at, server_.wall() + ttl + seconds(1));
    push.answered = true;
    push.accepted = accepted;
    push.accepted_at = kernel_.now();
    ++(accepted ? report_.accepted : report_.refused);
    kernel_.mix(accepted ? id : ~id);
  });
}

void World::happen(const Fault& f) {
  if (kernel_.tracing()) kernel_.trace("world", to_line(f));
  switch (f.kind) {
    case Fault::Kind::kCut:
      return network_.cut(f.target, kernel_.now() + f.lasts);
    case Fault::Kind::kReset:
      return network_.reset(f.target);
    case Fault::Kind::kForget:
      return network_.forget(f.target);
    case Fault::Kind::kOffline:
      network_.set_online(f.target, false, false);
      machines_[f.target]->network_changed();
      return kernel_.after(f.lasts, [this, f] {
        network_.set_online(f.target, true, f.new_address);
        machines_[f.target]->network_changed();
      });
    case Fault::Kind::kServerStop:
      server_.stop(f.how);
      return kernel_.after(f.lasts, [this] { server_.start(); });
    case Fault::Kind::kServerUpgrade:
      return server_.upgrade();
    case Fault::Kind::kAppCrash:
      return machine_of(f.target).crash(f.target);
    case Fault::Kind::kForeground:
      machine_of(f.target).set_foreground(f.target, true);
      return kernel_.after(f.lasts,
                           [this, f] { machine_of(f.target).set_foreground(f.target, false); });
    case Fault::Kind::kHostRestart:
      return machines_[f.target]->restart_host(f.lasts);
    case Fault::Kind::kDeviceRestart:
      return machines_[f.target]->restart(f.lasts);
    case Fault::Kind::kClockJump:
      // What has expired by then may come to life again, and go or stay.
      for (Push& push : pushes_) push.expired = push.expired || push.expires_at <= server_.wall();
      return server_.jump_clock(f.by);
    case Fault::Kind::kMove:
      return move(f);
    case Fault::Kind::kSignIn:
      network_.sign_in(f.target);
      return machines_[f.target]->network_changed();
    case Fault::Kind::kCount:
      return;
  }
}

void World::move(const Fault& f) {
  const bool overlap = f.lasts > Duration::zero();
  network_.move(f.target, f.network == kNoNetwork ? nullptr : &scenario_.networks.at(f.network),
                overlap);
  machines_[f.target]->network_changed();
  const std::uint64_t old = network_.overlap(f.target);
  if (old == 0) return;
  kernel_.after(f.lasts, [this, f, old] {
    if (network_.overlap(f.target) != old) return;  // left before, by another move
    network_.leave_old(f.target);
    machines_[f.target]->network_changed();
  });
}

void World::heal() {
  if (kernel_.tracing()) kernel_.trace("world", "everything works from here on");
  network_.heal();
  server_.start();
  for (auto& machine : machines_) machine->network_changed();
  for (std::size_t app = 0; app < apps_.size(); ++app) machine_of(app).set_foreground(app, false);
}

/// Every app asleep with a line, and nothing left for it at the server.
bool World::at_rest() {
  for (std::size_t app = 0; app < apps_.size(); ++app) {
    Machine& machine = machine_of(app);
    if (!machine.ready(app) || !machine.suspended(app)) return false;
    if (!server_.online(app) || server_.waiting(app) > 0) return false;
  }
  return true;
}

Duration World::rest_min() const {
  Duration longest{};
  for (const DeviceModel& device : scenario_.devices)
    for (const AppModel& app : device.apps) longest = std::max(longest, app.keep_alive);
  return longest + kRestBeyond;
}

void World::settle() {
  const Instant end = kernel_.now() + kRestMax;
  if (!run_for(rest_min())) return;
  while (kernel_.now() < end && !at_rest())
    if (!run_for(milliseconds(500))) return;
  if (at_rest()) return;
  for (std::size_t app = 0; app < apps_.size(); ++app)
    violation(fmt::format("no rest: {}, {} at the server, {} waiting",
                          machine_of(app).describe(app), server_.online(app) ? "online" : "offline",
                          server_.waiting(app)));
}

/// The proof that they sleep well: each is pushed once, and rings.
void World::ring() {
  const std::size_t first = pushes_.size();
  for (std::size_t app = 0; app < apps_.size(); ++app) post(app, Duration::zero());
  // A machine that sleeps through packets hears of it at its next keep-alive.
  Duration patience = kRingMax;
  for (const DeviceModel& device : scenario_.devices)
    if (device.sleep.after > Duration::zero() && !device.sleep.wakes_on_packet)
      patience = kRingMax + rest_min();
  const Instant end = kernel_.now() + patience;
  const auto all = [&] {
    for (std::size_t id = first; id < pushes_.size(); ++id)
      if (pushes_[id].deliveries == 0) return false;
    return true;
  };
  while (kernel_.now() < end && !all())
    if (!run_for(milliseconds(20))) return;
  for (std::size_t id = first; id < pushes_.size(); ++id) {
    const Push& push = pushes_[id];
    if (push.deliveries == 0)
      violation(
          fmt::format("at rest, a push did not ring: {}", machine_of(push.app).describe(push.app)));
    else
      report_.ring_max = std::max(report_.ring_max, push.delivered_at - push.accepted_at);
  }
  // And asleep again.
  const Instant quiet = kernel_.now() + minutes(1);
  while (kernel_.now() < quiet && !at_rest())
    if (!run_for(milliseconds(500))) return;
  if (!at_rest()) violation("no rest a minute after the last push");
}

void World::judge_pushes() {
  for (std::size_t id = 0; id < pushes_.size(); ++id) {
    const Push& push = pushes_[id];
    if (push.deliveries > 0) ++report_.delivered;
    if (push.kept || !push.accepted) continue;
    if (push.expired || push.expires_at <= server_.wall())
      ++report_.expired;
    else if (report_.ended)
      report_.not_judged += push.deliveries == 0 ? 1 : 0;
    else
      violation(fmt::format("push {} to {} was accepted, delivered {} times, and is lost", id,
                            app_name(push.app), push.deliveries));
  }
}

/// What nobody in the world sees: whether a push would come through.
void World::sample() {
  for (std::size_t app = 0; app < apps_.size(); ++app)
    machine_of(app).look_at_line(app, server_.online(app));
  if (kernel_.now().time_since_epoch() < scenario_.lasts)
    kernel_.after(std::max<Duration>(milliseconds(250), scenario_.lasts / kSamples),
                  [this] { sample(); });
}

// --- what the machines report

void World::delivered(std::size_t app, std::uint64_t run, const link::Delivery& delivery) {
  std::uint64_t id = 0;
  const std::string_view text = base::as_text(delivery.payload);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  WL_CHECK(error == std::errc() && id < pushes_.size());
  kernel_.mix(id);
  Push& push = pushes_[id];
  AppRecord& record = apps_[app];
  if (push.app != app) violation(fmt::format("push {} came to {}", id, app_name(app)));
  if (record.run != run) {
    record.run = run;
    record.last = 0;
  }
  if (delivery.sequence <= record.last)
    violation(fmt::format("push {} came to {} out of order", id, app_name(app)));
  record.last = delivery.sequence;
  record.pushes[delivery.sequence] = id;

  if (push.kept)
    violation(fmt::format("push {} came to {} again after it was kept", id, app_name(app)));
  if (push.deliveries > 0 && push.last_run == run)
    violation(fmt::format("push {} came to {} twice in one run", id, app_name(app)));
  if (push.deliveries++ > 0)
    ++report_.redelivered;
  else
    push.delivered_at = kernel_.now();
  push.last_run = run;
}

void World::kept(std::size_t app, link::Sequence sequence) {
  pushes_[apps_[app].pushes.at(sequence)].kept = true;
}

void World::remembered(std::size_t app, const link::Memory& memory) {
  for (const auto& [sequence, id] : apps_[app].pushes)
    if (sequence <= memory.accepted_high &&
        !std::ranges::binary_search(memory.unaccepted, sequence))
      pushes_[id].kept = true;
}

void World::violation(std::string what) {
  if (kernel_.tracing()) kernel_.trace("world", "VIOLATION " + what);
  if (report_.violations.empty()) report_.first_violation_at = kernel_.now();
  if (report_.violations.size() < kViolationsMax) report_.violations.push_back(std::move(what));
}

}  // namespace wakeline::sim
