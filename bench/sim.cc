// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <sys/resource.h>

#include "base/check.h"
#include "bench.h"
#include "io/clock.h"
#include "sim/lean/clients.h"
#include "sim/lean/idle.h"
#include "sim/lean/storm.h"
#include "sim/run.h"
#include "sim/scenario_file.h"

namespace wakeline::bench {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

template <class Work>
double seconds_of(Work work) {
  const base::Instant start = io::now();
  work();
  return std::chrono::duration<double>(io::now() - start).count();
}

/// The most memory that this process has held.
double peak_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1'024;
}

double idle_days_per_s(bool quick) {
  const int devices = quick ? 2'000 : 20'000;
  constexpr int kNats[] = {300, 600, 900, 1'800};
  std::uint64_t digest = 0;
  const double s = seconds_of([&] {
    for (int i = 0; i < devices; ++i)
      digest += sim::lean::run_idle({}, seconds(kNats[i % 4]), hours(24 * 7)).digest;
  });
  WL_CHECK(digest != 0);
  return devices * 7 / s;
}

double link_days_per_s(bool quick) {
  const int devices = quick ? 10 : 100;
  std::uint64_t wakes = 0;
  const double s = seconds_of([&] {
    for (int i = 0; i < devices; ++i) {
      sim::lean::LaneWorld world;
      world.stretches = {{.nat = seconds(900)}};
      world.lasts = hours(24 * 7);
      wakes += sim::lean::run_ours(world, {}, static_cast<std::uint64_t>(i)).wakes_in_all();
    }
  });
  WL_CHECK(wakes != 0);
  return devices * 7 / s;
}

double world_days_per_s(bool quick) {
  sim::Scenario scenario = *sim::find_scenario("suspended-system");
  scenario.devices.resize(1);
  scenario.devices.front().count = quick ? 4 : 40;
  scenario.devices.front().apps.resize(1);
  scenario.lasts = hours(24);
  scenario.pushes.clear();
  sim::RunOptions options;
  options.until = scenario.lasts;
  const double s = seconds_of([&] { WL_CHECK(sim::run(scenario, 1, options).ok()); });
  return static_cast<double>(scenario.devices.front().count) / s;
}

}  // namespace

cli::Outcome<Report> run_sim(bool quick) {
  Report report{.benchmark = "sim",
                .command = fmt::format("wakeline bench sim{}", quick ? " --quick" : ""),
                .machine = machine_line(),
                .figures = {},
                .notes = {}};
  const auto add = [&](std::string name, double value, const char* unit) {
    report.figures.push_back(
        {.name = std::move(name), .value = value, .unit = unit, .ratio = {}, .against = {}});
  };
  add("idle device-days, the heartbeat alone", idle_days_per_s(quick), "1/s");
  add("idle device-days, the whole link on a lane", link_days_per_s(quick), "1/s");
  add("idle device-days, the whole world with its host", world_days_per_s(quick), "1/s");
  const std::size_t most = quick ? 100'000 : 1'000'000;
  for (std::size_t n = 1'000; n <= most; n *= 10) {
    sim::StormModel model{.clients = n, .admits_per_s = static_cast<int>(n / 50)};
    std::size_t back = 0;
    const double s = seconds_of([&] { back = sim::lean::run_storm(model, nullptr, 1).back; });
    if (back != n) return std::unexpected(fmt::format("{} of {} clients came back", back, n));
    add(fmt::format("storm of {} clients", n), s, "s");
    add(fmt::format("storm of {} clients, each", n), s / static_cast<double>(n) * 1e6, "µs");
  }
  add("memory, the most", peak_mib(), "MiB");
  report.notes.emplace_back(
      "One thread. The bars: 20,000 idle device-days a second, a storm of "
      "1,000,000 clients within 60 s and 8 GiB.");
  return report;
}

}  // namespace wakeline::bench
