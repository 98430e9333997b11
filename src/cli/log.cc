// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <csignal>
#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "cli/cli.h"
#include "cli/exit_code.h"
#include "cli/host_client.h"
#include "cli/terminal.h"
#include "host/ledger.h"
#include "io/file.h"

namespace wakeline::cli {
namespace {

using wire::host::LedgerLine;

struct Options {
  HostAddress host;
  std::string state_folder;
  std::string app;
  std::uint32_t lines = 50;
  bool follow = false;
  bool json = false;
};

volatile std::sig_atomic_t stop_wanted = 0;

void print_line(const Options& options, const LedgerLine& line) {
  if (!options.app.empty() && line.app != options.app) return;
  if (options.json) {
    fmt::print("{}\n", boost::json::serialize(boost::json::object{{"id", line.id},
                                                                  {"wall_ns", line.wall_ns},
                                                                  {"app", line.app},
                                                                  {"event", line.event},
                                                                  {"reason", line.reason},
                                                                  {"detail", line.detail},
                                                                  {"latency_ns", line.latency_ns},
                                                                  {"cpu_us", line.cpu_us}}));
  } else {
    const Colour colour = line.event == "wake"      ? Colour::kCyan
                          : line.event == "suspend" ? Colour::kDim
                                                    : Colour::kNone;
    std::string text = fmt::format("{}  {:<16} {:<16} {}", clock_text(line.wall_ns), line.app,
                                   line.event, line.reason);
    if (!line.detail.empty()) text += ": " + line.detail;
    if (line.latency_ns > 0) text += fmt::format(" ({})", span_text(line.latency_ns));
    fmt::print("{}\n", paint(colour, text));
  }
  std::fflush(stdout);
}

int show(const Options& options) {
  auto reader = host::LedgerReader::open(options.state_folder);
  if (!reader) {
    return report(host::ledger_path(options.state_folder), reader.error(),
                  "The host writes it; another folder: --state-folder.");
  }
  const auto lines = reader->newest(options.lines);
  if (!lines) return report(host::ledger_path(options.state_folder), lines.error());
  for (const LedgerLine& line : *lines) print_line(options, line);
  return kExitOk;
}

int follow(const Options& options) {
  auto client = connect_to_host(options.host);
  if (!client) return report_host_error(options.host, client.error());
  if (const auto started = client->follow(options.lines); !started) {
    return report_host_error(options.host, started.error());
  }
  struct sigaction action{};
  action.sa_handler = [](int) { stop_wanted = 1; };
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  while (stop_wanted == 0) {
    const auto line = client->next_line(std::chrono::seconds(1));
    if (!line && stop_wanted == 0) return report_host_error(options.host, line.error());
    if (line && line->has_value()) print_line(options, **line);
  }
  return kExitOk;
}

}  // namespace

void add_log(CLI::App& root, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      root.add_subcommand("log", "Prints the host's ledger: what happened to each app, and why");
  add_host_address(*command, options->host);
  options->state_folder = io::default_state_folder();
  command->add_option("--state-folder", options->state_folder, "The host's folder; it need not run")
      ->capture_default_str();
  command->add_option("--app", options->app, "Of this app alone");
  command->add_option("-n,--lines", options->lines, "The newest so many lines")
      ->capture_default_str();
  command->add_flag("-f,--follow", options->follow, "Go on with new lines as they come");
  command->add_flag("--json", options->json, "One JSON object a line");
  command->callback(
      [options, &exit_code] { exit_code = options->follow ? follow(*options) : show(*options); });
}

}  // namespace wakeline::cli
