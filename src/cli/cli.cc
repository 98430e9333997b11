// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"

#include <CLI/CLI.hpp>

#include "base/log.h"
#include "cli/exit_code.h"

#ifndef WAKELINE_VERSION
#error "WAKELINE_VERSION comes from the build"
#endif

namespace wakeline::cli {
namespace {

constexpr AddCommand kCommands[] = {
    add_demo, add_host,  add_run, add_server, add_devices, add_tokens, add_apps,
    add_top,  add_stats, add_log, add_push,   add_doctor,  add_sim,    add_bench,
};

constexpr const char* kExitCodes =
    "Exit codes: 0 done, 1 failed, 2 usage, 3 configuration, 4 address in use, 5 permission,\n"
    "6 unreachable, 7 unauthorized, 8 storage.\n"
    "Start with: wakeline demo";

}  // namespace

int run(int argc, char** argv) {
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
  for (const AddCommand add : kCommands) add(root, exit_code);
  try {
    root.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version come as exceptions too, with exit code 0.
    return root.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  return exit_code;
}

}  // namespace wakeline::cli
