// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "base/printable.h"
#include "cli/cli.h"
#include "cli/exit_code.h"
#include "cli/since.h"
#include "cli/terminal.h"
#include "host/ledger.h"
#include "host/ledger_stats.h"
#include "io/clock.h"
#include "io/file.h"

namespace wakeline::cli {
namespace {

using host::AppDay;

struct StatsOptions {
  std::string state_folder;
  std::string app;
  std::string since;
  bool json = false;
};

boost::json::object to_json(const AppDay& day) {
  boost::json::object causes;
  for (const auto& [cause, count] : day.wakes_by_cause) causes[cause] = count;
  return {{"app", day.app},
          {"day", day.day},
          {"launches", day.launches},
          {"suspends", day.suspends},
          {"wakes", day.wakes},
          {"wakes_by_cause", causes},
          {"wakes_delayed", day.delayed},
          {"refusals", day.refusals},
          {"kills", day.kills},
          {"bad_exits", day.bad_exits},
          {"awake_us", day.awake_us},
          {"cpu_us", day.cpu_us},
          {"wake_latency_max_ns", day.latency_max_ns}};
}

void print(const std::vector<AppDay>& days) {
  constexpr auto kRight = Table::Align::kRight;
  Table table({{"day"},
               {"app"},
               {"wakes", kRight},
               {"delayed", kRight},
               {"awake", kRight},
               {"cpu", kRight},
               {"slowest", kRight},
               {"launches", kRight},
               {"bad exits", kRight},
               {"kills", kRight},
               {"refusals", kRight},
               {"causes"}});
  const auto span = [](std::uint64_t us) { return span_text(static_cast<long long>(us) * 1000); };
  for (const AppDay& day : days) {
    std::string causes;
    for (const auto& [cause, count] : day.wakes_by_cause) {
      causes += fmt::format("{}{} {}", causes.empty() ? "" : ", ", cause, count);
    }
    table.add({day.day, day.app, std::to_string(day.wakes), std::to_string(day.delayed),
               span(day.awake_us), span(day.cpu_us),
               day.wakes == 0 ? "" : span_text(day.latency_max_ns), std::to_string(day.launches),
               std::to_string(day.bad_exits), std::to_string(day.kills),
               std::to_string(day.refusals), causes});
  }
  table.print();
}

int stats(const StatsOptions& options) {
  std::int64_t from = 0;
  if (!options.since.empty()) {
    const auto instant = since(options.since, io::wall_now().time_since_epoch().count());
    if (!instant) {
      report("--since", base::ErrorCode::kInvalidArgument,
             fmt::format("'{}' is no time; write 2h, 3d, 14:30 or 2026-11-21", options.since));
      return kExitUsage;
    }
    from = *instant;
  }
  auto reader = host::LedgerReader::open(options.state_folder);
  if (!reader) {
    return report(host::ledger_path(options.state_folder), reader.error(),
                  "The host writes it; another folder: --state-folder.");
  }
  host::DayCounter counter;
  std::uint64_t after = 0;
  for (;;) {
    const auto lines = reader->since(from, options.app, after, host::kLedgerReadMax);
    if (!lines) return report(host::ledger_path(options.state_folder), lines.error());
    for (const auto& line : *lines) counter.add(line);
    if (lines->size() < host::kLedgerReadMax) break;
    after = lines->back().id;
  }
  const auto days = counter.days();
  if (options.json) {
    boost::json::array rows;
    for (const AppDay& day : days) rows.push_back(to_json(day));
    fmt::print("{}\n", base::printable_json(boost::json::serialize(rows)));
  } else {
    print(days);
  }
  return kExitOk;
}

}  // namespace

void add_stats(CLI::App& root, int& exit_code) {
  auto options = std::make_shared<StatsOptions>();
  CLI::App* command = root.add_subcommand(
      "stats", "Adds up the ledger by app and day: wakes and their causes, time awake, CPU time");
  options->state_folder = io::default_state_folder();
  command->add_option("--state-folder", options->state_folder, "The host's folder; it need not run")
      ->type_name("FOLDER")
      ->capture_default_str();
  command->add_option("--app", options->app, "Of this app alone")->type_name("APP");
  command->add_option("--since", options->since, "From then on: 2h, 3d, 14:30, 2026-11-21");
  command->add_flag("--json", options->json, "For programs");
  command->footer(
      "Time awake and CPU time count on the day on which their stretch ended. What the "
      "ledger has\nforgotten (it keeps the newest 100,000 lines) is not in it.");
  command->callback([options, &exit_code] { exit_code = stats(*options); });
}

}  // namespace wakeline::cli
