// SPDX-License-Identifier: Apache-2.0
#include "sim/world.h"

#include <charconv>

#include "base/check.h"

namespace wakeline::sim {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// A run that needs more events does not end.
constexpr std::uint64_t kEventsMax = 3'000'000;
/// Violations that are kept; one broken rule makes many.
constexpr std::size_t kViolationsMax = 20;
constexpr Duration kLongLife = hours(24 * 28);
/// After the last fault: every kernel has found its dead lines by then (240 s and probes), every
/// keep-alive handler has run (600 s), and the slowest back-off has ended.
constexpr Duration kRestMin = minutes(16);
constexpr Duration kRestMax = hours(2);
/// A push to a sleeping app is there by then; the wake limiter may hold it back for a minute.
constexpr Duration kRingMax = seconds(75);
/// Bytes lie unread no longer in a suspended app's socket, the limiter apart.
constexpr Duration kUnreadMax = seconds(1);

Duration spread_of(base::Random& random) {
  constexpr Duration kSpreads[] = {Duration::zero(), milliseconds(1), seconds(5), seconds(20)};
  return kSpreads[random.below(std::size(kSpreads))];
}

Names names_of(base::Random& random) {
  Names names;
  names.has_ipv6 = random.chance(1, 2);
  names.ipv6_black_hole = random.chance(1, 3);
  return names;
}

}  // namespace

World::World(const Scenario& scenario, std::uint64_t seed, bool tracing)
    : scenario_(scenario),
      plan_(make_plan(scenario, seed)),
      kernel_(seed, tracing),
      network_(kernel_, scenario.path, scenario.machines),
      server_(kernel_, network_, scenario.machines * scenario.apps_per_machine,
              ServerModel{spread_of(kernel_.random()), scenario.answers_before_commit}) {
  report_.seed = seed;
  apps_.resize(scenario.machines * scenario.apps_per_machine);
  for (std::size_t m = 0; m < scenario.machines; ++m) {
    std::vector<std::size_t> apps;
    for (std::size_t i = 0; i < scenario.apps_per_machine; ++i)
      apps.push_back(m * scenario.apps_per_machine + i);
    const Names names = names_of(kernel_.random());
    machines_.push_back(
        std::make_unique<Machine>(kernel_, network_, *this, *this, names, m, std::move(apps)));
  }
}

Report World::run() {
  for (auto& machine : machines_) machine->boot();
  schedule();
  if (run_for(scenario_.disturbed)) {
    heal();
    settle();
    if (report_.ok()) ring();
  }
  judge_pushes();
  for (const auto& machine : machines_) {
    report_.wakes += machine->wakes();
    report_.launches += machine->launches();
    report_.unread_max = std::max(report_.unread_max, machine->unread_max());
  }
  if (report_.unread_max > kUnreadMax)
    violation(fmt::format("bytes lay unread in a suspended app's socket for {:.3f} s",
                          std::chrono::duration<double>(report_.unread_max).count()));
  report_.in_flight_max = server_.in_flight_max();
  if (report_.in_flight_max > link::kUnacceptedMax)
    violation(fmt::format("{} pushes in flight to one app", report_.in_flight_max));
  report_.events = kernel_.events();
  report_.virtual_time = kernel_.now().time_since_epoch();
  report_.digest = kernel_.digest();
  return report_;
}

bool World::run_for(Duration span) {
  const bool done = kernel_.run_until(kernel_.now() + span, kEventsMax);
  if (!done) violation("the run does not end: too many events");
  return done;
}

void World::schedule() {
  for (const Fault& fault : plan_.faults) kernel_.at(fault.at, [this, fault] { happen(fault); });
  for (const PlannedPush& push : plan_.pushes)
    kernel_.at(push.at, [this, push] { post(push.app, push.short_lived); });
}

void World::post(std::size_t app, bool short_lived) {
  const std::uint64_t id = pushes_.size();
  pushes_.push_back({.app = app, .short_lived = short_lived});
  const Duration ttl = short_lived ? kernel_.between(seconds(1), seconds(60)) : Duration(kLongLife);
  server_.post(app, id, ttl, [this, id](bool accepted) {
    Push& push = pushes_[id];
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
      network_.cut(f.target, kernel_.now() + f.lasts);
      break;
    case Fault::Kind::kReset:
      network_.reset(f.target);
      break;
    case Fault::Kind::kForget:
      network_.forget(f.target);
      break;
    case Fault::Kind::kOffline:
      network_.set_online(f.target, false, false);
      machines_[f.target]->network_changed();
      kernel_.after(f.lasts, [this, f] {
        network_.set_online(f.target, true, f.new_address);
        machines_[f.target]->network_changed();
      });
      break;
    case Fault::Kind::kServerStop:
      server_.stop(f.how);
      kernel_.after(f.lasts, [this] { server_.start(); });
      break;
    case Fault::Kind::kAppCrash:
      machine_of(f.target).crash(f.target);
      break;
    case Fault::Kind::kForeground:
      machine_of(f.target).set_foreground(f.target, true);
      kernel_.after(f.lasts, [this, f] { machine_of(f.target).set_foreground(f.target, false); });
      break;
  }
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

void World::settle() {
  const Instant end = kernel_.now() + kRestMax;
  if (!run_for(kRestMin)) return;
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
  for (std::size_t app = 0; app < apps_.size(); ++app) post(app, false);
  const Instant end = kernel_.now() + kRingMax;
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
  if (!at_rest()) violation("awake a minute after the last push");
}

void World::judge_pushes() {
  for (std::size_t id = 0; id < pushes_.size(); ++id) {
    const Push& push = pushes_[id];
    if (push.deliveries > 0) ++report_.delivered;
    if (push.kept || !push.accepted) continue;
    if (push.short_lived)
      ++report_.expired;
    else
      violation(fmt::format("push {} to {} was accepted, delivered {} times, and is lost", id,
                            app_name(push.app), push.deliveries));
  }
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

void World::violation(std::string what) {
  if (kernel_.tracing()) kernel_.trace("world", "VIOLATION " + what);
  if (report_.violations.size() < kViolationsMax) report_.violations.push_back(std::move(what));
}

// --- run.h

Report run(const Scenario& scenario, std::uint64_t seed) {
  return World(scenario, seed, false).run();
}

std::string explain(const Scenario& scenario, std::uint64_t seed) {
  World world(scenario, seed, true);
  const Report report = world.run();
  std::string text = fmt::format("scenario {}, seed {}\nfault plan:\n", scenario.name, seed);
  for (const Fault& fault : make_plan(scenario, seed).faults) text += to_line(fault) + '\n';
  text += "trace:\n";
  for (const std::string& line : world.kernel().lines()) text += line + '\n';
  return text + to_line(report) + '\n';
}

std::string to_line(const Report& r) {
  std::string line = fmt::format("seed {}: ", r.seed);
  if (!r.ok()) {
    line += "FAILED";
    for (const std::string& what : r.violations) line += "\n  " + what;
    return line;
  }
  const auto ms = [](Duration span) {
    return std::chrono::duration<double, std::milli>(span).count();
  };
  return line + fmt::format(
                    "ok, {} accepted, {} delivered, {} again, {} expired, {} refused, "
                    "{} wakes, {} launches, {} events, ring {:.1f} ms, digest {:016x}",
                    r.accepted, r.delivered, r.redelivered, r.expired, r.refused, r.wakes,
                    r.launches, r.events, ms(r.ring_max), r.digest);
}

}  // namespace wakeline::sim
