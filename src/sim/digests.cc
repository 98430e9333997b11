// SPDX-License-Identifier: Apache-2.0
#include "sim/digests.h"

#include <fmt/format.h>

#include "sim/lean/clients.h"
#include "sim/lean/storm.h"
#include "sim/run.h"
#include "sim/scenario_file.h"

namespace wakeline::sim {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

/// Of the scenarios that last an hour at most.
constexpr std::uint64_t kSeeds = 5;
/// Of a longer one the beginning will do.
constexpr Duration kAtMost = hours(1);

/// FNV-1a.
class Hash {
 public:
  void add(std::string_view text) {
    for (const char c : text) value_ = (value_ ^ static_cast<unsigned char>(c)) * 0x100'0000'01B3;
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xCBF2'9CE4'8422'2325;
};

std::string trace_line(const Scenario& scenario, std::uint64_t seed) {
  RunOptions options;
  if (scenario.lasts > kAtMost) options.until = kAtMost;
  Hash hash;
  hash.add(explain(scenario, seed, options));
  return fmt::format("{} {} {:016x}", scenario.name, seed, hash.value());
}

/// Every figure of a client on a lane.
std::string lane_line(std::string_view name, const lean::LaneFigures& f) {
  Hash hash;
  for (const auto& [cause, count] : f.wakes) hash.add(fmt::format("{}={} ", cause, count));
  hash.add(fmt::format("{} {} {} {} {} {} ", f.logins, f.attempts, f.false_deaths, f.dark.count(),
                       f.radio_active.count(), f.energy_uj));
  for (const Duration took : f.detections) hash.add(fmt::format("{} ", took.count()));
  for (const Duration took : f.deliveries) hash.add(fmt::format("{} ", took.count()));
  for (const auto& [at, gap] : f.gaps)
    hash.add(fmt::format("{}:{} ", at.time_since_epoch().count(), gap.count()));
  return fmt::format("lane of {} {:016x}", name, hash.value());
}

}  // namespace

std::vector<std::string> digest_lines() {
  std::vector<std::string> lines;
  for (const auto& [name, text] : scenario_texts()) {
    const Scenario& scenario = *find_scenario(name);
    if (scenario.storm) continue;
    const std::uint64_t seeds = scenario.lasts <= minutes(30) ? kSeeds : 1;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) lines.push_back(trace_line(scenario, seed));
  }
  lean::LaneWorld world;
  world.stretches = {{.nat = seconds(300)}, {.from = Instant(hours(30)), .nat = seconds(200)}};
  world.loss_permille = 50;
  for (const auto& rules : lean::baselines())
    lines.push_back(lane_line(rules->name(), lean::run_rules(world, *rules, 1)));
  lines.push_back(lane_line("ours", lean::run_ours(world, {}, 1)));
  const StormModel storm{.clients = 20'000, .admits_per_s = 400};
  lines.push_back(fmt::format("storm {:016x}", lean::run_storm(storm, nullptr, 1).digest));
  return lines;
}

}  // namespace wakeline::sim
