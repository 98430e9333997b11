// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "bench.h"
#include "cli/cli.h"
#include "cli/exit_code.h"
#include "supervised.h"

namespace wakeline::cli {
namespace {

using Run = Outcome<bench::Report> (*)(bool quick);

struct Benchmark {
  const char* name;
  const char* text;
  Run run;
  bool by_name_only = false;  ///< it needs what not every machine has
};

/// Of a benchmark, what a flag asks for alone.
struct BenchmarkPart {
  std::string_view benchmark;
  const char* flag;
  const char* text;
  Run run;
};

constexpr Benchmark kBenchmarks[] = {
    {"wake", "A byte's way from the server's send to the return of a suspended app's recv",
     bench::run_wake},
    {"host-idle", "What the host costs while a thousand apps are suspended", bench::run_host_idle},
    {"host-killed", "How soon a thousand suspended apps run again when their host is killed",
     bench::run_host_killed},
    {"sim", "How many idle device-days the simulator makes in a second, and storms of a million",
     bench::run_sim},
    {"reclaim", "What giving back the memory of a sleeping app saves, and what its wake costs then",
     bench::run_reclaim, true},
    {"server", "What a sleeping device and a push cost the server, beside other brokers",
     bench::run_server},
    {"store", "How many pushes a second become durable, beside SQLite alone", bench::run_store},
    {"coalesce", "How often the machine wakes for the keep-alive handlers of fifty apps",
     bench::run_coalesce},
    {"scale", "A thousand apps with ten connections each", bench::run_scale},
    {"client", "What an idle client costs, beside the same client with other libraries",
     bench::run_client},
    {"deliver", "A push's way from its app server to the app's callback, awake and asleep",
     bench::run_deliver},
};

constexpr BenchmarkPart kBenchmarkParts[] = {
    {"server", "--pushes", "Pushes alone, synced and not, beside the disk and mosquitto: a minute",
     bench::run_pushes},
    {"server", "--tls", "Connects with TLS alone, beside the floor and mosquitto: half a minute",
     bench::run_tls},
};

constexpr const char* kPeersText =
    "What programs that nobody here wrote cost as usual, and asleep: ten minutes of baresip, "
    "profanity and others, each twice";

}  // namespace

void add_bench(CLI::App& root, int& exit_code) {
  struct Options {
    bool quick = false;
    bool json = false;
    Run part = nullptr;  ///< the whole benchmark where none is asked for
  };
  auto options = std::make_shared<Options>();
  auto peers = std::make_shared<bench::PeersOptions>();
  CLI::App* command = root.add_subcommand(
      "bench",
      "Measures this machine with real processes, side by side with the floor; without a name: all "
      "but reclaim and peers");
  command->require_subcommand(0, 1);
  const auto add_flags = [&](CLI::App& app,
                             const char* quick = "Fewer samples, under thirty seconds each") {
    app.add_flag("--quick", options->quick, quick);
    app.add_flag("--json", options->json, "For programs: one object a benchmark and line");
  };
  const auto run = [options, &exit_code](const char* name, const char* text,
                                         const std::function<Outcome<bench::Report>()>& measure) {
    if (exit_code > kExitRunSignal) return;  // we were told to end
    if (!options->json) fmt::print(stderr, "{} …\n", text);
    const bench::Ending ending = bench::supervised([&] {
      const auto report = measure();
      if (!report)
        return cli::report(name, base::ErrorCode::kOs, report.error(), "wakeline doctor");
      if (options->json)
        fmt::print("{}\n", bench::to_json(*report));
      else
        bench::print_table(*report);
      std::fflush(stdout);
      int code = kExitOk;
      for (const std::string& missing : report->missing)
        code = cli::report(name, base::ErrorCode::kOs, missing);
      return code;
    });
    if (ending.signal != 0)
      exit_code = kExitRunSignal + ending.signal;
    else if (ending.code < 0)
      exit_code = cli::report(name, base::ErrorCode::kOs, "the benchmark crashed");
    else if (ending.code != kExitOk)
      exit_code = ending.code;
  };
  const auto run_one = [run, options](const Benchmark& benchmark) {
    const Run measure = options->part != nullptr ? options->part : benchmark.run;
    run(benchmark.name, benchmark.text, [&] { return measure(options->quick); });
  };
  add_flags(*command);
  for (const Benchmark& benchmark : kBenchmarks) {
    CLI::App* sub = command->add_subcommand(benchmark.name, benchmark.text);
    add_flags(*sub);
    sub->callback([run_one, &benchmark] { run_one(benchmark); });
    CLI::Option* other = nullptr;
    for (const BenchmarkPart& part : kBenchmarkParts) {
      if (part.benchmark != benchmark.name) continue;
      CLI::Option* flag = sub->add_flag_callback(
          part.flag, [options, &part] { options->part = part.run; }, part.text);
      if (other != nullptr) flag->excludes(other);
      other = flag;
    }
  }
  CLI::App* sub = command->add_subcommand("peers", kPeersText);
  add_flags(*sub, "Ten seconds of rest and three rings: a minute in all");
  sub->add_option("--seconds", peers->seconds, "Of rest, in the place of 600")
      ->check(CLI::Range(5, 86'400));
  sub->add_option("--only", peers->only, "A program, again for another")
      ->check(CLI::IsMember(
          std::vector<std::string>(std::begin(bench::kPeerNames), std::end(bench::kPeerNames))));
  sub->callback([run, options, peers] {
    peers->quick = options->quick;
    run("peers", kPeersText, [&] { return bench::run_peers(*peers); });
  });
  command->callback([command, run_one] {
    if (!command->get_subcommands().empty()) return;
    for (const Benchmark& benchmark : kBenchmarks) {
      if (!benchmark.by_name_only) run_one(benchmark);
    }
  });
}

}  // namespace wakeline::cli
