// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <system_error>

#include <CLI/CLI.hpp>

#include "base/log.h"
#include "cli/command_line.h"
#include "cli/exit_code.h"
#include "cli/output.h"

#ifndef WAKELINE_VERSION
#error "WAKELINE_VERSION comes from the build"
#endif

namespace wakeline::cli {
namespace {

constexpr const char* kExitCodes =
    "Exit codes: 0 done, 1 failed, 2 usage, 3 configuration, 4 address in use, 5 permission,\n"
    "6 unreachable, 7 unauthorized, 8 storage, or output lost.\n"
    "Start with: wakeline demo";

int report_unknown(const UnknownCommand& unknown) {
  report(unknown.path, base::ErrorCode::kNotFound,
         unknown.near.empty()
             ? "there is no such command"
             : fmt::format("there is no such command; did you mean '{}'?", unknown.near),
         "All commands: wakeline --help");
  return kExitUsage;
}

}  // namespace

int run(int argc, char** argv) {
  open_missing_streams();
  CLI::App root("Rings a sleeping app over one TCP connection of its own server.", "wakeline");
  root.set_version_flag("--version", "wakeline " WAKELINE_VERSION);
  root.require_subcommand(1);
  root.footer(kExitCodes);
  std::string log_level = "info";
  root.add_option("--log-level", log_level, "What is logged on stderr")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  root.parse_complete_callback([&] { base::set_log_level(log_level); });

  int exit_code = kExitOk;
  CommandLine line;
  const std::function<void(CLI::App&, int&)> commands[] = {
      add_demo,
      add_host,
      [&](CLI::App& app, int& code) { add_run(app, line.arguments, code); },
      add_server,
      add_devices,
      add_tokens,
      add_apps,
      add_top,
      add_stats,
      add_log,
      add_push,
      add_doctor,
      add_sim,
      add_bench,
  };
  for (const auto& add : commands) add(root, exit_code);
  line = split_command_line(root, {argv + std::min(argc, 1), argv + argc});
  if (const auto unknown = unknown_command(root, line.words)) return report_unknown(*unknown);
  // The parser takes words from the back.
  std::ranges::reverse(line.words);
  try {
    root.parse(std::move(line.words));
  } catch (const CLI::ParseError& error) {
    // Help and version come as exceptions too, with exit code 0.
    return finish_output(root.exit(error) == 0 ? kExitOk : kExitUsage);
  } catch (const std::system_error&) {
    // fmt says so where a file takes no more of what is printed.
    if (!output_lost() && std::ferror(stderr) == 0) throw;
    return finish_output(kExitStorage);
  }
  return finish_output(exit_code);
}

}  // namespace wakeline::cli
