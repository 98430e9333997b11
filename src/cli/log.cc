// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <span>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "base/printable.h"
#include "cli/cli.h"
#include "cli/exit_code.h"
#include "cli/host_client.h"
#include "cli/output.h"
#include "cli/since.h"
#include "cli/stop_signals.h"
#include "cli/terminal.h"
#include "host/ledger.h"
#include "io/clock.h"
#include "io/file.h"

namespace wakeline::cli {
namespace {

using wire::host::LedgerLine;

struct LogOptions {
  HostAddress host;
  std::string state_folder;
  std::string app;
  std::string since;
  std::uint32_t lines = 50;
  bool follow = false;
  bool json = false;
};

void print_line(const LogOptions& options, const LedgerLine& line) {
  if (!options.app.empty() && line.app != options.app) return;
  if (options.json) {
    const boost::json::object object{{"id", line.id},
                                     {"wall_ns", line.wall_ns},
                                     {"app", line.app},
                                     {"event", line.event},
                                     {"reason", line.reason},
                                     {"detail", line.detail},
                                     {"latency_ns", line.latency_ns},
                                     {"cpu_us", line.cpu_us},
                                     {"socket", line.socket},
                                     {"awake_us", line.awake_us},
                                     {"used_us", line.used_us}};
    fmt::print("{}\n", base::printable_json(boost::json::serialize(object)));
  } else {
    const Colour colour = line.event == "wake"      ? Colour::kCyan
                          : line.event == "suspend" ? Colour::kDim
                                                    : Colour::kNone;
    std::string text = fmt::format("{}  {:<16} {:<16} {}", clock_text(line.wall_ns), line.app,
                                   line.event, line.reason);
    if (!line.detail.empty()) text += ": " + line.detail;
    if (!line.socket.empty()) text += " from " + line.socket;
    if (line.latency_ns > 0) text += fmt::format(" ({})", span_text(line.latency_ns));
    if (line.awake_us > 0) {
      text += fmt::format(" after {} awake, {} of CPU time",
                          span_text(static_cast<long long>(line.awake_us) * 1000),
                          span_text(static_cast<long long>(line.used_us) * 1000));
    }
    fmt::print("{}\n", paint(colour, base::printable(text)));
  }
  std::fflush(stdout);
}

int show_since(const LogOptions& options, host::LedgerReader& reader) {
  const auto from = since(options.since, io::wall_now().time_since_epoch().count());
  if (!from) {
    report("--since", base::ErrorCode::kInvalidArgument,
           fmt::format("'{}' is no time; write 2h, 3d, 14:30 or 2026-11-21", options.since));
    return kExitUsage;
  }
  std::uint64_t after = 0;
  for (;;) {
    const auto lines = reader.since(*from, options.app, after, host::kLedgerReadMax);
    if (!lines) return report(host::ledger_path(options.state_folder), lines.error());
    for (const LedgerLine& line : *lines) print_line(options, line);
    if (lines->size() < host::kLedgerReadMax) return kExitOk;
    after = lines->back().id;
  }
}

int show(const LogOptions& options) {
  auto reader = host::LedgerReader::open(options.state_folder);
  if (!reader) {
    return report(host::ledger_path(options.state_folder), reader.error(),
                  "The host writes it; another folder: --state-folder.");
  }
  if (!options.since.empty()) return show_since(options, *reader);
  // Of one app its newest lines: among those of the others they may be far apart.
  auto lines = reader->newest(options.app.empty() ? options.lines : host::kLedgerReadMax);
  if (!lines) return report(host::ledger_path(options.state_folder), lines.error());
  if (!options.app.empty()) {
    std::erase_if(*lines, [&](const LedgerLine& line) { return line.app != options.app; });
  }
  const std::size_t skipped = lines->size() - std::min<std::size_t>(lines->size(), options.lines);
  for (const LedgerLine& line : std::span(*lines).subspan(skipped)) print_line(options, line);
  return kExitOk;
}

int follow(const LogOptions& options) {
  auto client = connect_to_host(options.host);
  if (!client) return report_host_error(options.host, client.error());
  if (const auto started = client->follow(options.lines); !started) {
    return report_host_error(options.host, started.error());
  }
  stop_on_signals();
  while (stop_wanted == 0 && !output_lost()) {
    const auto line = client->next_line(std::chrono::seconds(1));
    if (!line && stop_wanted == 0) return report_host_error(options.host, line.error());
    if (line && line->has_value()) print_line(options, **line);
  }
  return kExitOk;
}

}  // namespace

void add_log(CLI::App& root, int& exit_code) {
  auto options = std::make_shared<LogOptions>();
  CLI::App* command =
      root.add_subcommand("log", "Prints the host's ledger: what happened to each app, and why");
  add_host_address(*command, options->host);
  options->state_folder = io::default_state_folder();
  command->add_option("--state-folder", options->state_folder, "The host's folder; it need not run")
      ->type_name("FOLDER")
      ->capture_default_str();
  command->add_option("--app", options->app, "Of this app alone")->type_name("APP");
  command->add_option("--since", options->since,
                      "Every line from then on: 2h, 3d, 14:30, 2026-11-21");
  command->add_option("-n,--lines", options->lines, "The newest so many lines")
      ->capture_default_str();
  command->add_flag("-f,--follow", options->follow, "Go on with new lines as they come")
      ->excludes("--since");
  command->add_flag("--json", options->json, "One JSON object a line");
  command->callback(
      [options, &exit_code] { exit_code = options->follow ? follow(*options) : show(*options); });
}

}  // namespace wakeline::cli
