// SPDX-License-Identifier: Apache-2.0
#include "sim/lean/gates.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "sim/lean/clients.h"
#include "sim/lean/storm.h"
#include "sim/run.h"
#include "sim/scenario_file.h"

namespace wakeline::sim::lean {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

double in_seconds(Duration span) { return std::chrono::duration<double>(span).count(); }
std::string number(double value) {
  return value >= 100 || value == std::floor(value) ? fmt::format("{:.0f}", value)
                                                    : fmt::format("{:.1f}", value);
}

constexpr int kNats[] = {45, 60, 120, 180, 240, 270, 300, 450, 600, 900, 1'200, 1'800, 7'440};
constexpr int kQuickNats[] = {60, 240, 600, 1'800};
constexpr Duration kCap = seconds(1'680);

/// Days `from` to `to` on one NAT.
LaneWorld nat_world(int nat_s, int from, int to, int loss_permille) {
  LaneWorld world;
  world.stretches = {{.nat = seconds(nat_s)}};
  world.measured_from = hours(24 * from);
  world.lasts = hours(24 * to);
  world.loss_permille = loss_permille;
  return world;
}

/// Ours as it runs under a host: the kernel keeps the line, and the app pings every 600 s (C39).
/// Its wakes are the app's; the kernel's own packets only cost the radio.
constexpr const char* kByKernel = "ours, kept by the kernel";

/// A client and what it made of a world.
using Runner = std::function<LaneFigures(const LaneWorld&)>;
struct NamedClient {
  std::string name;
  Runner run;
};
std::vector<NamedClient> clients(const OurWay& way) {
  std::vector<NamedClient> all;
  for (const auto& rules : baselines())
    all.push_back({std::string(rules->name()),
                   [&rules](const LaneWorld& w) { return run_rules(w, *rules, 1); }});
  OurWay kernel = way;
  kernel.kernel = true;
  all.push_back({kByKernel, [kernel](const LaneWorld& w) { return run_ours(w, kernel, 1); }});
  all.push_back({"ours", [way](const LaneWorld& w) { return run_ours(w, way, 1); }});
  return all;
}

class GateRunner {
 public:
  explicit GateRunner(bool quick) : quick_(quick) {}

  GateReport run() {
    nats();
    loss();
    convergence();
    detection();
    detection_by_cause();
    delivery();
    no_network_night();
    commuter_day();
    storm();
    crashes();
    return std::move(report_);
  }

 private:
  void gate(std::string what, std::string wanted, std::string reached, bool passed) {
    report_.gates.push_back({std::move(what), std::move(wanted), std::move(reached), passed});
  }

  // --- wakes, dark time and radio at fixed NATs, day 2 to 8
  void nats() {
    GateTable wakes{
        "NAT with a fixed idle timeout T, idle device, a day of days 2 to 8: "
        "wakes / dark s / logins / radio-active s",
        {"client"},
        {},
        {}};
    const std::vector<int> all =
        quick_ ? std::vector<int>(std::begin(kQuickNats), std::end(kQuickNats))
               : std::vector<int>(std::begin(kNats), std::end(kNats));
    const int days = quick_ ? 2 : 7;
    for (const int t : all) wakes.columns.push_back(fmt::format("T={}", t));
    std::vector<std::vector<Rival>> rivals(all.size());
    double worst = 0;
    double dark = 0;
    std::string worst_at;
    Ratio firm;
    Ratio any;
    for (const NamedClient& client : clients({})) {
      std::vector<std::string> row = {client.name};
      for (std::size_t i = 0; i < all.size(); ++i) {
        const LaneFigures f = client.run(nat_world(all[i], 1, 1 + days, 0));
        const double w = static_cast<double>(f.wakes_in_all()) / days;
        const double d = in_seconds(f.dark) / days;
        const double r = in_seconds(f.radio_active) / days;
        row.push_back(fmt::format("{}/{}/{}/{}", number(w), number(d),
                                  number(static_cast<double>(f.logins) / days), number(r)));
        if (client.name != "ours") {
          if (client.name != kByKernel && d == 0) rivals[i].push_back({client.name, r});
          continue;
        }
        const double ideal = 86'400 / std::min<double>(all[i], in_seconds(kCap));
        if (w / ideal > worst) worst = w / ideal, worst_at = fmt::format("T={}", all[i]);
        dark = std::max(dark, d);
        for (const Rival& rival : rivals[i]) {
          any.see(r / rival.radio, rival, all[i]);
          // Who stands at the very limit of a NAT has no dark time by luck alone.
          const double less = r <= rival.radio ? 0 : dark_below(rival.name, all[i], days);
          if (less == 0) firm.see(r / rival.radio, rival, all[i]);
          if (r > rival.radio)
            wakes.notes.push_back(
                fmt::format("At T={} {} has the radio up for {} s a day, we {} s; where the NAT "
                            "forgets 1 % sooner it is dark for {} s a day.",
                            all[i], rival.name, number(rival.radio), number(r), number(less)));
        }
      }
      wakes.rows.push_back(std::move(row));
    }
    report_.tables.push_back(std::move(wakes));
    gate("wakes a day, day 2 on, against 86400 / min(T, 1680 s)", "<= 1.25",
         fmt::format("{:.2f} at {}", worst, worst_at), worst <= 1.25);
    gate("dark time a day, day 2 on, no loss", "0 s", number(dark) + " s", dark == 0);
    gate("radio-active time against the best client without dark time, also at 0.99 T", "<= 1",
         firm.text(), firm.most <= 1);
    gate("radio-active time against any client without dark time at T", "<= 1.03", any.text(),
         any.most <= 1.03);
  }

  struct Rival {
    std::string name;
    double radio;  ///< s a day
  };
  /// The worst of ours against a rival's.
  struct Ratio {
    double most = 0;
    std::string at;
    void see(double ratio, const Rival& rival, int nat_s) {
      if (ratio > most) most = ratio, at = fmt::format("T={} ({})", nat_s, rival.name);
    }
    std::string text() const { return fmt::format("{:.3f} at {}", most, at); }
  };
  /// Dark s a day of a baseline where the NAT forgets 1 % sooner.
  static double dark_below(std::string_view name, int nat_s, int days) {
    LaneWorld world = nat_world(nat_s, 1, 1 + days, 0);
    world.stretches.front().nat = milliseconds(990 * nat_s);
    return in_seconds(run_rules(world, *find_baseline(name), 1).dark) / days;
  }

  void loss() {
    GateTable table{
        "5 % and 1 % loss each way, T = 300 s, days 2 to 8: wakes / dark s / false deaths a day",
        {"client", "1 %", "5 %"},
        {},
        {}};
    double dark = 0;
    double deaths[2] = {};
    for (const NamedClient& client : clients({})) {
      std::vector<std::string> row = {client.name};
      for (const int permille : {10, 50}) {
        const LaneFigures f = client.run(nat_world(300, 1, 8, permille));
        row.push_back(fmt::format("{}/{}/{:.2f}", number(static_cast<double>(f.wakes_in_all()) / 7),
                                  number(in_seconds(f.dark) / 7),
                                  static_cast<double>(f.false_deaths) / 7));
        if (client.name != "ours") continue;
        deaths[permille == 50] = static_cast<double>(f.false_deaths) / 7;
        if (permille == 50) dark = in_seconds(f.dark) / 7;
      }
      table.rows.push_back(std::move(row));
    }
    report_.tables.push_back(std::move(table));
    gate("dark time a day at 5 % loss", "<= 60 s", number(dark) + " s", dark <= 60);
    gate("false deaths a day at 1 % loss", "<= 0.1", fmt::format("{:.2f}", deaths[0]),
         deaths[0] <= 0.1);
    gate("false deaths a day at 5 % loss", "<= 4", fmt::format("{:.2f}", deaths[1]),
         deaths[1] <= 4);
  }

  // --- how fast it learns
  void convergence() {
    GateTable table{
        "Learning: hours until the heartbeat is within 10 % of its last; deaths after T fell from "
        "600 to 200 s on day 4",
        {"client", "hours at T=600", "deaths after the fall"},
        {},
        {}};
    double slowest = 0;
    std::size_t most = 0;
    for (const NamedClient& client : clients({})) {
      const LaneFigures steady = client.run(nat_world(600, 0, 4, 0));
      const double h = settled(steady);
      LaneWorld falls = nat_world(600, 0, 8, 0);
      falls.stretches.push_back({.from = Instant(hours(96)), .nat = seconds(200)});
      const LaneFigures fell = client.run(falls);
      const auto deaths = static_cast<std::size_t>(std::ranges::count_if(
          fell.deaths, [](Instant at) { return at.time_since_epoch() > hours(96); }));
      table.rows.push_back(
          {client.name, h > 1e6 ? "never alive" : number(h), std::to_string(deaths)});
      if (client.name != "ours") continue;
      most = deaths;
      slowest = h;
      for (const int t : {60, 180, 300, 1'800})
        if (!quick_) slowest = std::max(slowest, settled(client.run(nat_world(t, 0, 4, 0))));
    }
    report_.tables.push_back(std::move(table));
    gate("hours until the heartbeat is within 10 % of its last", "<= 12", number(slowest),
         slowest <= 12);
    gate("deaths after T fell from 600 to 200 s", "<= 4", std::to_string(most), most <= 4);
  }

  static double settled(const LaneFigures& f) {
    if (f.gaps.empty()) return 1e9;
    const double last = in_seconds(f.gaps.back().second);
    Instant since{};
    for (const auto& [at, gap] : f.gaps)
      if (std::abs(in_seconds(gap) / last - 1) > 0.1) since = at;
    return in_seconds(since.time_since_epoch()) / 3'600;
  }

  // --- a line that dies in silence, while everything sleeps
  void detection() {
    GateTable table{
        "A line that dies in silence (the server loses its power for 10 s), T = 300 s: s until "
        "noticed, of 40 deaths",
        {"client", "p50", "p99", "most"},
        {},
        {}};
    Duration ours{};
    const Duration h = seconds(static_cast<std::int64_t>(300 * 0.93));
    for (const NamedClient& client : clients({})) {
      std::vector<Duration> all;
      for (int i = 0; i < (quick_ ? 10 : 40); ++i) {
        LaneWorld world = nat_world(300, 0, 3, 0);
        world.outage_from = Instant(hours(60) + seconds(37 * i));
        world.outage = seconds(10);
        world.measured_from = hours(60);
        const LaneFigures f = client.run(world);
        all.insert(all.end(), f.detections.begin(), f.detections.end());
      }
      std::ranges::sort(all);
      table.rows.push_back({client.name, number(in_seconds(percentile(all, 50))),
                            number(in_seconds(percentile(all, 99))),
                            number(in_seconds(percentile(all, 100)))});
      if (client.name == "ours") ours = percentile(all, 100);
    }
    report_.tables.push_back(std::move(table));
    gate("silent death asleep, until noticed",
         fmt::format("<= H + 5 s = {} s", number(in_seconds(h) + 5)),
         number(in_seconds(ours)) + " s", ours > Duration::zero() && ours <= h + seconds(5));
  }

  // --- the same under a host, by what the line died of: the whole world
  void detection_by_cause() {
    const Scenario& scenario = *find_scenario("dead-lines");
    GateTable table{
        "Dead lines of suspended apps under a host (the kernel keeps the line, T = 600 s): s until "
        "noticed",
        {"died of", "deaths", "p50", "p99", "most"},
        {},
        {}};
    std::map<DeathCause, std::vector<Duration>> all;
    for (std::uint64_t seed = 1; seed <= (quick_ ? 1U : 10U); ++seed)
      for (const Detection& d : sim::run(scenario, seed).detections) all[d.cause].push_back(d.took);
    Duration silent{};
    for (auto& [cause, took] : all) {
      std::ranges::sort(took);
      table.rows.push_back({std::string(sim::name(cause)), std::to_string(took.size()),
                            number(in_seconds(percentile(took, 50))),
                            number(in_seconds(percentile(took, 99))),
                            number(in_seconds(percentile(took, 100)))});
      silent = std::max(silent, percentile(took, 100));
    }
    report_.tables.push_back(std::move(table));
    // The longest heartbeat that the kernel keeps there; its three probes 10 s apart come on top.
    const Duration limit = milliseconds(600 * 930) + seconds(30) + seconds(5);
    gate("silent death of a suspended app's line, until noticed",
         fmt::format("<= H + 30 s of probes + 5 s = {} s", number(in_seconds(limit))),
         number(in_seconds(silent)) + " s", all.size() >= 3 && silent <= limit);
  }

  // --- how soon a push is there
  void delivery() {
    GateTable table{"Delivery, 1 % loss each way, T = 300 s, a push every 7 min: s",
                    {"client", "p50", "p99", "undelivered"},
                    {},
                    {}};
    LaneWorld world = nat_world(300, 1, 3, 10);
    for (Duration t = hours(24); t < hours(71); t += minutes(7)) world.pushes.push_back(Instant(t));
    for (const NamedClient& client : clients({})) {
      const LaneFigures f = client.run(world);
      const double p50 = in_seconds(percentile(f.deliveries, 50));
      const double p99 = in_seconds(percentile(f.deliveries, 99));
      table.rows.push_back({client.name, fmt::format("{:.2f}", p50), fmt::format("{:.2f}", p99),
                            std::to_string(f.undelivered)});
      if (client.name != "ours") continue;
      gate("delivery over a line that is up, p50", "<= 1 RTT = 0.10 s",
           fmt::format("{:.2f} s", p50), p50 <= 0.101);
      gate("delivery over a line that is up, p99", "<= 2 s", fmt::format("{:.2f} s", p99),
           p99 <= 2);
    }
    report_.tables.push_back(std::move(table));

    std::vector<Duration> handover;
    for (std::uint64_t seed = 1; seed <= (quick_ ? 2U : 20U); ++seed) {
      const Report r = sim::run(*find_scenario("handover"), seed);
      handover.insert(handover.end(), r.latencies.begin(), r.latencies.end());
    }
    std::ranges::sort(handover);
    report_.tables.push_back(
        {fmt::format("Delivery to suspended apps round a change of network, {} pushes: s",
                     handover.size()),
         {"client", "p50", "p99", "most"},
         {{"ours", fmt::format("{:.2f}", in_seconds(percentile(handover, 50))),
           fmt::format("{:.2f}", in_seconds(percentile(handover, 99))),
           fmt::format("{:.2f}", in_seconds(percentile(handover, 100)))}},
         {}});
    const double p99 = in_seconds(percentile(handover, 99));
    gate("delivery through a handover, p99", "<= 3 s", fmt::format("{:.2f} s", p99),
         !handover.empty() && p99 <= 3);
  }

  void no_network_night() {
    GateTable table{"A night of 8 h without network: wakes", {"client", "wakes"}, {}, {}};
    std::uint64_t ours = 0;
    for (const NamedClient& client : clients({})) {
      LaneWorld world;
      world.stretches = {{.nat = seconds(1'800)},
                         {.from = Instant(hours(1)), .covered = false, .key = "none"},
                         {.from = Instant(hours(9)), .nat = seconds(1'800)}};
      world.lasts = hours(9);
      world.measured_from = hours(1) + minutes(2);
      const std::uint64_t wakes = client.run(world).wakes_in_all();
      table.rows.push_back({client.name, std::to_string(wakes)});
      if (client.name == "ours") ours = wakes;
    }
    report_.tables.push_back(std::move(table));
    gate("wakes in a night without network", "<= 40", std::to_string(ours), ours <= 40);
  }

  // --- a commuter's day: 8 changes, 3 tunnels, 2 portals
  static LaneWorld commuter() {
    const auto at = [](int h, int m, int s = 0) {
      return Instant(hours(24 + h) + minutes(m) + seconds(s));
    };
    LaneWorld world;
    const Stretch home{.nat = seconds(600), .key = "home"};
    const auto cell = [](Instant from) {
      return Stretch{.from = from, .nat = seconds(1'800), .key = "cell"};
    };
    const auto none = [](Instant from) {
      return Stretch{.from = from, .covered = false, .key = "cell"};
    };
    const auto wifi = [](Instant from, int nat, const char* key, bool portal) {
      return Stretch{.from = from, .nat = seconds(nat), .portal = portal, .key = key};
    };
    world.stretches = {home,
                       cell(at(7, 30)),
                       none(at(7, 42)),
                       cell(at(7, 44)),
                       none(at(7, 50)),
                       cell(at(7, 51)),
                       wifi(at(8, 10), 900, "office", false),
                       wifi(at(12, 5), 300, "cafe", true),
                       wifi(at(12, 6, 30), 300, "cafe", false),
                       wifi(at(12, 55), 900, "office", false),
                       cell(at(17, 30)),
                       none(at(17, 45)),
                       cell(at(17, 48)),
                       wifi(at(18, 20), 300, "lobby", true),
                       wifi(at(18, 23), 300, "lobby", false),
                       wifi(at(19, 0), 600, "home", false)};
    world.lasts = hours(48);
    world.measured_from = hours(24);
    for (Duration t = hours(30); t < hours(47); t += minutes(7)) world.pushes.push_back(Instant(t));
    return world;
  }

  void commuter_day() {
    GateTable table{
        "A commuter's day (8 changes, 3 tunnels, 2 portals), pushes every 7 min: "
        "logins, dark s, wakes, undelivered, delivery when covered",
        {"client", "logins", "dark s", "wakes", "undelivered", "p50 s", "p99 s"},
        {},
        {}};
    LaneFigures ours;
    std::uint64_t logins = 0;
    for (const NamedClient& client : clients({})) {
      const LaneFigures f = client.run(commuter());
      if (client.name == kByKernel) logins = f.logins;
      table.rows.push_back({client.name, std::to_string(f.logins), number(in_seconds(f.dark)),
                            std::to_string(f.wakes_in_all()), std::to_string(f.undelivered),
                            fmt::format("{:.2f}", in_seconds(percentile(f.deliveries, 50))),
                            fmt::format("{:.2f}", in_seconds(percentile(f.deliveries, 99)))});
      if (client.name == "ours") ours = f;
    }
    report_.tables.push_back(std::move(table));
    gate("commuter's day, kept by the kernel: logins", "<= 10", std::to_string(logins),
         logins <= 10);
    gate("commuter's day, on its own: logins", "<= 10", std::to_string(ours.logins),
         ours.logins <= 10);
    gate("commuter's day: pushes lost", "0", std::to_string(ours.undelivered),
         ours.undelivered == 0);
    const double p99 = in_seconds(percentile(ours.deliveries, 99));
    gate("commuter's day: delivery when covered, p99", "<= 5 s", fmt::format("{:.2f} s", p99),
         p99 <= 5);
  }

  // --- the storm
  void storm() {
    const std::size_t n = quick_ ? 20'000 : 100'000;
    const int c = quick_ ? 400 : 2'000;
    GateTable table{
        fmt::format("{} clients, {} admissions a second (ideal 50 s), all notice at once: "
                    "peak / C, attempts each, s to 50 % and 99 %",
                    n, c),
        {"client", "outage 5 s", "outage 60 s", "outage 900 s"},
        {},
        {}};
    const auto cell = [&](const StormFigures& f) {
      if (f.most == Duration::zero())
        return fmt::format("{}, {:.1f}, {} % not back",
                           number(static_cast<double>(f.peak_per_s) / c), f.attempts_per_client(),
                           100 * (f.clients - f.back) / f.clients);
      return fmt::format("{}, {:.1f}, {}/{}", number(static_cast<double>(f.peak_per_s) / c),
                         f.attempts_per_client(), number(in_seconds(f.half)),
                         number(in_seconds(f.most)));
    };
    const auto row = [&](std::string name, const Rules* rules, bool slots) {
      std::vector<std::string> cells = {std::move(name)};
      for (const int outage : {5, 60, 900}) {
        StormModel model{.clients = n, .admits_per_s = c, .outage = seconds(outage)};
        model.busy_slots = slots;
        const StormFigures f = run_storm(model, rules, 1);
        cells.push_back(cell(f));
        if (rules != nullptr || !slots || outage > 60) continue;
        const double peak = static_cast<double>(f.peak_per_s) / c;
        const double most = in_seconds(f.most) / 50;
        gate(fmt::format("storm after {} s: peak / C", outage), "<= 2.5", number(peak),
             peak <= 2.5);
        gate(fmt::format("storm after {} s: attempts each", outage), "<= 3.5",
             fmt::format("{:.1f}", f.attempts_per_client()), f.attempts_per_client() <= 3.5);
        gate(fmt::format("storm after {} s: time to 99 % / (N / C)", outage), "<= 1.2",
             fmt::format("{:.2f}", most), most > 0 && most <= 1.2);
      }
      table.rows.push_back(std::move(cells));
    };
    for (const auto& rules : baselines()) row(std::string(rules->name()), rules.get(), false);
    row("ours, a server without slots", nullptr, false);
    row("ours", nullptr, true);
    report_.tables.push_back(std::move(table));
    StormModel planned{.clients = n, .admits_per_s = c, .outage = {}};
    planned.announced = true;
    const double peak = static_cast<double>(run_storm(planned, nullptr, 1).peak_per_s) / c;
    gate("announced restart: peak / C", "<= 1.2", fmt::format("{:.2f}", peak), peak <= 1.2);
  }

  // --- the whole world, with crashes
  void crashes() {
    const std::uint64_t seeds = quick_ ? 20 : 200;
    std::uint64_t broken = 0;
    std::uint64_t accepted = 0;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      const Report r = sim::run(*find_scenario("crashing"), seed);
      broken += r.ok() ? 0 : 1;
      accepted += r.accepted;
    }
    gate(fmt::format("promises broken in {} worlds with crashes, {} pushes (`make soak` for 10^5)",
                     seeds, accepted),
         "0", std::to_string(broken), broken == 0);
  }

  bool quick_;
  GateReport report_;
};

}  // namespace

bool GateReport::passed() const { return std::ranges::all_of(gates, &Gate::passed); }

GateReport run_gates(bool quick) { return GateRunner(quick).run(); }

}  // namespace wakeline::sim::lean
