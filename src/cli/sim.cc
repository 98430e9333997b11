// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <csignal>
#include <memory>

#include <CLI/CLI.hpp>

#include "cli/cli.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "sim/run.h"

namespace wakeline::cli {
namespace {

struct Options {
  std::string scenario = "disturbed";
  std::uint64_t from = 1;
  std::uint64_t seeds = 1000;
  std::optional<std::uint64_t> trace;
  bool verbose = false;
};

volatile std::sig_atomic_t stop_wanted = 0;

/// One line that is written over, on a terminal alone.
void show_progress(std::uint64_t done, std::uint64_t all, std::uint64_t broken) {
  if (!shows_colours(stderr)) return;
  fmt::print(stderr, "\r{} of {} seeds, {} broken ", done, all, broken);
  if (done == all) fmt::print(stderr, "\n");
}

int run_seeds(const Options& options, const sim::Scenario& scenario) {
  sim::Report sum;
  std::uint64_t broken = 0;
  std::uint64_t done = 0;
  for (; done < options.seeds && stop_wanted == 0; ++done) {
    const sim::Report report = sim::run(scenario, options.from + done);
    if (!report.ok()) {
      ++broken;
      fmt::print("{}\n", paint(Colour::kRed, to_line(report)));
    } else if (options.verbose) {
      fmt::print("{}\n", to_line(report));
    }
    sum.accepted += report.accepted;
    sum.delivered += report.delivered;
    sum.redelivered += report.redelivered;
    sum.expired += report.expired;
    sum.wakes += report.wakes;
    sum.events += report.events;
    sum.virtual_time += report.virtual_time;
    if (done % 10 == 9 || done + 1 == options.seeds) show_progress(done + 1, options.seeds, broken);
  }
  const double days = std::chrono::duration<double>(sum.virtual_time).count() / 86'400;
  fmt::print(
      "{}: {} seeds, {} events, {:.1f} days of virtual time: {} pushes accepted, {} delivered, {} "
      "expired unseen, "
      "{} given again to a later run, {} wakes\n",
      scenario.name, done, sum.events, days, sum.accepted, sum.delivered, sum.expired,
      sum.redelivered, sum.wakes);
  if (broken == 0) {
    fmt::print("{}\n",
               paint(Colour::kGreen,
                     "No push was lost, doubled or out of order; no app slept on unread data."));
    return kExitOk;
  }
  fmt::print(
      "{} of {} seeds broke a promise. Look at one: wakeline sim --scenario {} --trace SEED\n",
      broken, done, scenario.name);
  return kExitFailed;
}

int simulate(const Options& options) {
  const sim::Scenario* scenario = sim::find_scenario(options.scenario);
  if (scenario == nullptr) {
    return report("--scenario", base::ErrorCode::kNotFound,
                  fmt::format("there is no '{}'; disturbed, crashing", options.scenario));
  }
  struct sigaction action{};
  action.sa_handler = [](int) { stop_wanted = 1; };
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  if (!options.trace) return run_seeds(options, *scenario);
  fmt::print("{}\n", sim::explain(*scenario, *options.trace));
  return sim::run(*scenario, *options.trace).ok() ? kExitOk : kExitFailed;
}

}  // namespace

void add_sim(CLI::App& root, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      root.add_subcommand("sim",
                          "Drives the machines of host, library and server in virtual time with "
                          "faults, and proves their promises by seed");
  command
      ->add_option("--scenario", options->scenario,
                   "disturbed: lost connections, server restarts; crashing: apps crash too")
      ->capture_default_str();
  command->add_option("--seeds", options->seeds, "How many worlds")
      ->check(CLI::Range(1ULL, 100'000'000ULL))
      ->capture_default_str();
  command->add_option("--from", options->from, "The first seed")->capture_default_str();
  command->add_option("--trace", options->trace, "Print everything that happens under this seed");
  command->add_flag("--verbose", options->verbose, "A line for each seed");
  command->footer("Exit code 1 when a seed broke a promise.");
  command->callback([options, &exit_code] { exit_code = simulate(*options); });
}

}  // namespace wakeline::cli
