// SPDX-License-Identifier: Apache-2.0
#include "host/host.h"

#include <fmt/format.h>

#include <map>
#include <memory>

#include <CLI/CLI.hpp>

#include "cli/cli.h"
#include "cli/exit_code.h"
#include "cli/own_command.h"
#include "cli/ready_file.h"
#include "host/options.h"
#include "io/file.h"

namespace wakeline::cli {
namespace {

struct RunHostOptions {
  host::HostOptions host;
  std::string profile = "linux";
  std::vector<std::string> overrides;
  std::string ready_file;
};

int run_host(RunHostOptions& options) {
  const auto profile = host::profile_by_name(options.profile);
  if (!profile) return report("--profile", profile.error());
  options.host.profile = *profile;
  for (const std::string& text : options.overrides) {
    if (const auto set = host::override_profile(options.host.profile, text); !set) {
      return report("--set", set.error().error.code, host::to_string(set.error()));
    }
  }
  options.host.successor = own_command();
  if (!options.host.successor.empty()) {
    options.host.successor_check = {options.host.successor.front(), "--version"};
  }
  options.host.on_ready = [file = options.ready_file] { write_ready_file(file, "ready\n"); };
  auto started = host::Host::create(options.host);
  if (!started)
    return report("host", started.error().error.code, host::to_string(started.error()),
                  "wakeline doctor");
  fmt::print("{}", (*started)->describe());
  std::fflush(stdout);
  (*started)->run();
  return kExitOk;
}

}  // namespace

void add_host(CLI::App& root, int& exit_code) {
  auto options = std::make_shared<RunHostOptions>();
  CLI::App* command = root.add_subcommand(
      "host", "Runs the host: launches apps, suspends them, wakes them on data");
  options->host.runtime_folder = io::default_runtime_folder();
  options->host.state_folder = io::default_state_folder();
  command->add_option("--runtime-folder", options->host.runtime_folder, "Where its socket goes")
      ->type_name("FOLDER")
      ->capture_default_str();
  command->add_option("--state-folder", options->host.state_folder, "Where its ledger goes")
      ->type_name("FOLDER")
      ->capture_default_str();
  command
      ->add_option("--apps", options->host.manifest_folders,
                   "Folders of manifests (*.desktop); default: apps in the state folder")
      ->type_name("FOLDER");
  command->add_option("--profile", options->profile, "linux, ios or ios-classic")
      ->check(CLI::IsMember({"linux", "ios", "ios-classic"}))
      ->capture_default_str();
  command->add_option("--set", options->overrides,
                      "One number of the profile, for instance linger=200ms");
  const std::map<std::string, host::FreezerChoice> freezers = {
      {"auto", host::FreezerChoice::kAuto},
      {"cgroup", host::FreezerChoice::kCgroup},
      {"sigstop", host::FreezerChoice::kSigstop}};
  command
      ->add_option("--freezer", options->host.freezer,
                   "How apps are suspended: auto, cgroup or sigstop")
      ->transform(CLI::CheckedTransformer(freezers).description("{auto,cgroup,sigstop}"));
  const std::map<std::string, host::NotifierChoice> notifiers = {
      {"auto", host::NotifierChoice::kAuto},
      {"dbus", host::NotifierChoice::kDbus},
      {"terminal", host::NotifierChoice::kTerminal}};
  command
      ->add_option("--notifier", options->host.notifier,
                   "Where notifications go: auto, dbus or terminal")
      ->transform(CLI::CheckedTransformer(notifiers).description("{auto,dbus,terminal}"));
  command
      ->add_option("--cgroup-parent", options->host.cgroup_parent,
                   "A cgroup2 folder that the host may write")
      ->type_name("FOLDER");
  command->add_flag("--follow-window", options->host.follow_window,
                    "The app of the active window is in the foreground (X11, $DISPLAY)");
  command->add_option("--ready-file", options->ready_file, "Written when the host accepts apps")
      ->type_name("FILE");
  command->footer(
      "SIGTERM ends the host and its apps. SIGHUP makes it become the program that lies at its "
      "path by then, without ending an app. What this machine gives it: wakeline doctor");
  command->callback([options, &exit_code] { exit_code = run_host(*options); });
}

}  // namespace wakeline::cli
