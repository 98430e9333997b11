// SPDX-License-Identifier: Apache-2.0
// A host for the tests, told by KEY=VALUE arguments: runtime, state, manifests, freezer, notifier,
// profile (whose numbers the others change), grace_ms, follow_window, ready_fd (a byte is written
// there), successor and successor_check (programs; itself and none), without (net_admin: runs
// without that capability), and set:NUMBER=VALUE for the profile.
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/log.h"
#include "host/host.h"

namespace {

using wakeline::host::FreezerChoice;
using wakeline::host::Host;
using wakeline::host::HostOptions;
using wakeline::host::NotifierChoice;

[[noreturn]] void bad(std::string_view what) {
  std::fprintf(stderr, "host_program: %.*s\n", static_cast<int>(what.size()), what.data());
  std::exit(2);
}

void drop_capability(unsigned number) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2] = {};
  if (::syscall(SYS_capget, &header, sets) != 0) bad("capget");
  sets[number / 32].effective &= ~(1U << number % 32);
  sets[number / 32].permitted &= ~(1U << number % 32);
  if (::syscall(SYS_capset, &header, sets) != 0) bad("capset");
}

void take(HostOptions& options, std::string_view key, const std::string& value) {
  if (key == "runtime") {
    options.runtime_folder = value;
  } else if (key == "state") {
    options.state_folder = value;
  } else if (key == "manifests") {
    options.manifest_folders.push_back(value);
  } else if (key == "freezer") {
    options.freezer = value == "cgroup"    ? FreezerChoice::kCgroup
                      : value == "sigstop" ? FreezerChoice::kSigstop
                                           : FreezerChoice::kAuto;
  } else if (key == "notifier") {
    options.notifier = value == "dbus" ? NotifierChoice::kDbus : NotifierChoice::kTerminal;
  } else if (key == "profile") {
    return;  // taken before all others
  } else if (key == "successor") {
    options.successor = {value};
  } else if (key == "successor_check") {
    options.successor_check = {value};
  } else if (key == "without") {
    if (value != "net_admin") bad(value);
    drop_capability(CAP_NET_ADMIN);
  } else if (key == "grace_ms") {
    options.kill_grace = std::chrono::milliseconds(std::stoi(value));
  } else if (key == "follow_window") {
    options.follow_window = value == "true";
  } else if (key == "ready_fd") {
    options.on_ready = [fd = std::stoi(value)] {
      if (::write(fd, "r", 1) != 1) bad("ready_fd");
    };
  } else {
    bad(key);
  }
}

}  // namespace

int main(int argc, char** argv) {
  HostOptions options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (!argument.starts_with("profile=")) continue;
    const auto profile = wakeline::host::profile_by_name(argument.substr(8));
    if (!profile) bad(argument);
    options.profile = *profile;
  }
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("set:")) {
      const auto set = wakeline::host::override_profile(options.profile, argument.substr(4));
      if (!set) bad(wakeline::host::to_string(set.error()));
      continue;
    }
    const auto equals = argument.find('=');
    if (equals == std::string_view::npos) bad(argument);
    take(options, argument.substr(0, equals), std::string(argument.substr(equals + 1)));
  }
  if (const char* level = std::getenv("WAKELINE_LOG")) wakeline::base::set_log_level(level);
  if (options.successor.empty()) {
    options.successor = {std::filesystem::read_symlink("/proc/self/exe").string()};
    options.successor.insert(options.successor.end(), argv + 1, argv + argc);
  }
  auto host = Host::create(std::move(options));
  if (!host) {
    std::fprintf(stderr, "%s\n", wakeline::host::to_string(host.error()).c_str());
    return 1;
  }
  (*host)->run();
  return 0;
}
