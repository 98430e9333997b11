// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>

#include <CLI/CLI.hpp>

#include "bench.h"
#include "cli/cli.h"
#include "cli/exit_code.h"

namespace wakeline::cli {
namespace {

struct Benchmark {
  const char* name;
  const char* text;
  Outcome<bench::Report> (*run)(bool quick);
  bool by_name_only = false;  ///< it needs what not every machine has
};

constexpr Benchmark kBenchmarks[] = {
    {"wake", "A byte's way from the server's send to the return of a suspended app's recv",
     bench::run_wake},
    {"host-idle", "What the host costs while a thousand apps are suspended", bench::run_host_idle},
    {"sim", "How many idle device-days the simulator makes in a second, and storms of a million",
     bench::run_sim},
    {"reclaim", "What giving back the memory of a sleeping app saves, and what its wake costs then",
     bench::run_reclaim, true},
    {"server", "What a sleeping device and a push cost the server, beside other brokers",
     bench::run_server},
    {"coalesce", "How often the machine wakes for the keep-alive handlers of fifty apps",
     bench::run_coalesce},
    {"scale", "A thousand apps with ten connections each", bench::run_scale},
};

}  // namespace

void add_bench(CLI::App& root, int& exit_code) {
  struct Options {
    bool quick = false;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = root.add_subcommand("bench",
                                          "Measures this machine with real processes, side by side "
                                          "with the floor; without a name: all but reclaim");
  command->require_subcommand(0, 1);
  const auto add_flags = [&](CLI::App& app) {
    app.add_flag("--quick", options->quick, "Fewer samples, under thirty seconds each");
    app.add_flag("--json", options->json, "For programs: one object a benchmark and line");
  };
  const auto run = [options, &exit_code](const Benchmark& benchmark) {
    if (!options->json) fmt::print(stderr, "{} …\n", benchmark.text);
    const auto report = benchmark.run(options->quick);
    if (!report) {
      exit_code =
          cli::report(benchmark.name, base::ErrorCode::kOs, report.error(), "wakeline doctor");
    } else if (options->json) {
      fmt::print("{}\n", bench::to_json(*report));
    } else {
      bench::print_table(*report);
    }
    std::fflush(stdout);
  };
  add_flags(*command);
  for (const Benchmark& benchmark : kBenchmarks) {
    CLI::App* sub = command->add_subcommand(benchmark.name, benchmark.text);
    add_flags(*sub);
    sub->callback([run, &benchmark] { run(benchmark); });
  }
  command->callback([command, run] {
    if (!command->get_subcommands().empty()) return;
    for (const Benchmark& benchmark : kBenchmarks) {
      if (!benchmark.by_name_only) run(benchmark);
    }
  });
}

}  // namespace wakeline::cli
