// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <charconv>
#include <memory>

#include <CLI/CLI.hpp>

#include "base/printable.h"
#include "cli/cli.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/stop_signals.h"
#include "cli/terminal.h"
#include "io/clock.h"
#include "io/file.h"
#include "sim/digests.h"
#include "sim/lean/gates.h"
#include "sim/lean/storm.h"
#include "sim/report.h"
#include "sim/run.h"
#include "sim/scenario_file.h"

namespace wakeline::cli {
namespace {

/// Runs of a failing seed, at most, to find the least that breaks it.
constexpr std::size_t kShrinkRuns = 400;

struct ProveOptions {
  std::string scenario = "crashing";
  std::uint64_t from = 1;
  std::uint64_t seeds = 1000;
  std::string until;
  bool verbose = false;
};

struct RunSimOptions {
  std::string scenario;
  std::uint64_t seed = 1;
  std::string until;
  std::string faults;
  std::string pushes;
  std::string report;
  bool trace = false;
};

/// One of our scenarios by its name, or a file. Nullopt: reported, with `exit_code`.
std::optional<sim::Scenario> load(const std::string& wanted, int& exit_code) {
  if (const sim::Scenario* known = sim::find_scenario(wanted)) return *known;
  const auto text = io::read_file(wanted, sim::kScenarioBytesMax);
  if (!text) {
    const bool absent = text.error().code == base::ErrorCode::kNotFound;
    exit_code =
        absent ? report(wanted, base::ErrorCode::kNotFound,
                        "there is no scenario of that name, and no such file", "wakeline sim list")
               : report(wanted, text.error());
    return std::nullopt;
  }
  auto scenario = sim::read_scenario(*text, wanted);
  if (scenario) return std::move(*scenario);
  exit_code =
      report("scenario", base::ErrorCode::kMalformed, sim::to_string(scenario.error(), wanted));
  return std::nullopt;
}

/// "3,9,12", "none"; empty: all. Nullopt of the outer one: malformed.
std::optional<std::optional<std::vector<std::size_t>>> parse_numbers(std::string_view text) {
  if (text.empty()) return std::optional<std::vector<std::size_t>>();
  std::vector<std::size_t> numbers;
  while (text != "none" && !text.empty()) {
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return std::nullopt;
    numbers.push_back(number);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (!text.empty() && !text.starts_with(',')) return std::nullopt;
    if (!text.empty()) text.remove_prefix(1);
  }
  return std::optional(std::move(numbers));
}

/// One line that is written over, on a terminal alone.
void show_progress(std::uint64_t done, std::uint64_t all, std::uint64_t broken) {
  if (!shows_colours(stderr)) return;
  fmt::print(stderr, "\r{} of {} seeds, {} broken ", done, all, broken);
  if (done == all) fmt::print(stderr, "\n");
}

void explain_failure(const sim::Scenario& scenario, const sim::Report& report) {
  fmt::print("{}\n", paint(Colour::kRed, printable_lines(to_line(report))));
  const sim::RunOptions least = sim::shrink(scenario, report.seed, kShrinkRuns);
  fmt::print("  replay the least of it: wakeline sim run {} {} --trace\n", scenario.name,
             sim::replay_options(report.seed, least));
  std::fflush(stdout);
}

int prove(const ProveOptions& options) {
  int exit_code = kExitOk;
  const auto scenario = load(options.scenario, exit_code);
  if (!scenario) return exit_code;
  if (scenario->storm)
    return report(options.scenario, base::ErrorCode::kUnsupported,
                  "a storm has no promises to prove", "wakeline sim run storm");
  stop_on_signals();
  sim::Report sum;
  std::uint64_t broken = 0;
  std::uint64_t done = 0;
  for (; done < options.seeds && stop_wanted == 0 && !output_lost(); ++done) {
    const sim::Report report = sim::run(*scenario, options.from + done);
    if (!report.ok()) {
      ++broken;
      explain_failure(*scenario, report);
    } else if (options.verbose) {
      fmt::print("{}\n", printable_lines(to_line(report)));
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
      "{}: seeds {} to {}, {} events, {:.1f} days of virtual time: {} pushes accepted, {} "
      "delivered, {} expired unseen, {} given again to a later run, {} wakes\n",
      base::printable(scenario->name), options.from, options.from + done - 1, sum.events, days,
      sum.accepted, sum.delivered, sum.expired, sum.redelivered, sum.wakes);
  if (broken == 0) {
    fmt::print("{}\n", paint(Colour::kGreen, "No promise was broken."));
    return kExitOk;
  }
  fmt::print("{} of {} seeds broke a promise.\n", broken, done);
  return kExitFailed;
}

/// A storm has no devices to trace or to draw: its figures are its report.
int run_storm(const sim::Scenario& scenario, const RunSimOptions& options) {
  if (options.trace || !options.report.empty())
    return report("scenario", base::ErrorCode::kUnsupported,
                  "a storm's clients are too many to trace or to draw", "wakeline sim gates");
  const sim::lean::StormFigures f = sim::lean::run_storm(*scenario.storm, nullptr, options.seed);
  const auto in_s = [](base::Duration span) { return std::chrono::duration<double>(span).count(); };
  fmt::print(
      "{}: {} clients, {} of them back; {:.2f} attempts each; at most {} in a second after the "
      "server's return, which is {:.2f} of what it admits; half were back after {:.1f} s, 99 % "
      "after {:.1f} s; digest {:016x}\n",
      base::printable(scenario.name), f.clients, f.back, f.attempts_per_client(), f.peak_per_s,
      static_cast<double>(f.peak_per_s) / scenario.storm->admits_per_s, in_s(f.half), in_s(f.most),
      f.digest);
  return f.back == f.clients ? kExitOk : kExitFailed;
}

int run_one(const RunSimOptions& options) {
  int exit_code = kExitOk;
  const auto scenario = load(options.scenario, exit_code);
  if (!scenario) return exit_code;
  sim::RunOptions run;
  if (!options.until.empty()) {
    run.until = sim::parse_duration(options.until);
    if (!run.until || *run.until < base::Duration::zero())
      return report("--until", base::ErrorCode::kInvalidArgument,
                    "a time such as 250ms, 90s or 7h30min");
  }
  const auto faults = parse_numbers(options.faults);
  const auto pushes = parse_numbers(options.pushes);
  if (!faults || !pushes)
    return report(faults ? "--pushes" : "--faults", base::ErrorCode::kInvalidArgument,
                  "numbers with commas between them, or none");
  run.keep = {*faults, *pushes};
  run.recording = !options.report.empty();
  if (scenario->storm) return run_storm(*scenario, options);
  // The page alone goes to stdout where it is wanted there.
  std::FILE* const lines = io::names_stdout(options.report) ? stderr : stdout;
  if (options.trace)
    fmt::print(lines, "{}", printable_lines(sim::explain(*scenario, options.seed, run)));
  const base::Instant start = io::now();
  const sim::Report report = sim::run(*scenario, options.seed, run);
  const base::Duration took = io::now() - start;
  if (!options.trace) {
    fmt::print(lines, "{}\n{:.1f} min of virtual time, run in {}\n",
               printable_lines(to_line(report)),
               std::chrono::duration<double, std::ratio<60>>(report.virtual_time).count(),
               span_text(took.count()));
  }
  if (!options.report.empty()) {
    std::fflush(stdout);
    const auto written =
        io::write_output(options.report, sim::to_html(*scenario, report), io::OutputMode::kShared);
    if (!written) return cli::report(options.report, written.error());
    if (lines == stdout) fmt::print("The report is in {}\n", options.report);
  }
  return report.ok() ? kExitOk : kExitFailed;
}

int list() {
  for (const auto& [name, text] : sim::scenario_texts()) {
    const sim::Scenario& scenario = *sim::find_scenario(name);
    fmt::print("{:18} {}\n", name, scenario.title);
  }
  return kExitOk;
}

void print(const sim::lean::GateTable& table) {
  std::vector<std::size_t> widths(table.columns.size());
  const auto measure = [&](const std::vector<std::string>& row) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  };
  measure(table.columns);
  for (const auto& row : table.rows) measure(row);
  fmt::print("{}\n", paint(Colour::kBold, table.title));
  const auto line = [&](const std::vector<std::string>& row) {
    for (std::size_t i = 0; i < row.size(); ++i)
      fmt::print("{}{:{}}", i == 0 ? "  " : "  ", row[i], widths[i]);
    fmt::print("\n");
  };
  line(table.columns);
  for (const auto& row : table.rows) line(row);
  for (const std::string& note : table.notes) fmt::print("  {}\n", note);
  fmt::print("\n");
}

int run_gates(bool quick) {
  const sim::lean::GateReport report = sim::lean::run_gates(quick);
  for (const sim::lean::GateTable& table : report.tables) print(table);
  for (const sim::lean::Gate& gate : report.gates)
    fmt::print(
        "{}  {}: {} (wanted {})\n",
        paint(gate.passed ? Colour::kGreen : Colour::kRed, gate.passed ? "ok    " : "missed"),
        gate.what, gate.reached, gate.wanted);
  return report.passed() ? kExitOk : kExitFailed;
}

}  // namespace

void add_sim(CLI::App& root, int& exit_code) {
  CLI::App* command =
      root.add_subcommand("sim",
                          "Drives the machines of host, library and server in virtual time with "
                          "faults, and proves their promises by seed");
  command->require_subcommand(1);
  command->add_subcommand("list", "The scenarios that the program brings along")
      ->callback([&exit_code] { exit_code = list(); });

  command
      ->add_subcommand("digests",
                       "What a set of seeds comes to, in numbers that no compiler changes")
      ->callback([&exit_code] {
        for (const std::string& line : sim::digest_lines()) fmt::print("{}\n", line);
        exit_code = kExitOk;
      });

  auto proving = std::make_shared<ProveOptions>();
  CLI::App* sub =
      command->add_subcommand("prove", "Runs many seeds of a scenario; shrinks those that fail");
  sub->add_option("scenario", proving->scenario, "A name of `sim list`, or a file")
      ->type_name("SCENARIO")
      ->capture_default_str();
  sub->add_option("--seeds", proving->seeds, "How many worlds")
      ->check(CLI::Range(1ULL, 100'000'000ULL))
      ->capture_default_str();
  sub->add_option("--from", proving->from, "The first seed")->capture_default_str();
  sub->add_flag("--verbose", proving->verbose, "A line for each seed");
  sub->footer("Exit code 1 when a seed broke a promise.");
  sub->callback([proving, &exit_code] { exit_code = prove(*proving); });

  auto quick = std::make_shared<bool>(false);
  sub = command->add_subcommand(
      "gates", "Runs our machine and other clients' rules through the same worlds");
  sub->add_flag("--quick", *quick, "Fewer networks and seeds, a smaller storm");
  sub->footer("Exit code 1 when our machine misses a demand.");
  sub->callback([quick, &exit_code] { exit_code = run_gates(*quick); });

  auto running = std::make_shared<RunSimOptions>();
  sub = command->add_subcommand("run", "Runs one seed of a scenario");
  sub->add_option("scenario", running->scenario, "A name of `sim list`, or a file")
      ->required()
      ->type_name("SCENARIO");
  sub->add_option("--seed", running->seed, "What decides everything that is left to chance")
      ->capture_default_str();
  sub->add_option("--until", running->until,
                  "Stop there, for instance 7h30min; what is on the way then is not judged");
  sub->add_option("--faults", running->faults, "Only these, by their numbers in the plan; or none");
  sub->add_option("--pushes", running->pushes, "Only these; or none");
  sub->add_option("--report", running->report,
                  "Write a page for people: HTML in one file; - for stdout")
      ->type_name("FILE");
  sub->add_flag("--trace", running->trace, "Print the plan and everything that happens");
  sub->footer("Exit code 1 when a promise was broken.");
  sub->callback([running, &exit_code] { exit_code = run_one(*running); });
}

}  // namespace wakeline::cli
