// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "core/doze/types.h"

namespace wakeline::host {

/// How apps are stopped. kAuto takes the cgroup where one can be made, else SIGSTOP, and says
/// which.
enum class FreezerChoice { kAuto, kCgroup, kSigstop };
/// Where local notifications go. kAuto takes the session bus where there is one, else the terminal.
enum class NotifierChoice { kAuto, kDbus, kTerminal };

/// Everything that a host is told. Empty folders take their default in `Host::create`.
struct HostOptions {
  std::string runtime_folder;  ///< holds host.sock; default io::default_runtime_folder()
  std::string state_folder;    ///< holds ledger.db; default io::default_state_folder()
  /// Folders of *.desktop manifests; the first one that has an id wins. Default: `apps` in the
  /// state folder.
  std::vector<std::string> manifest_folders;
  doze::Profile profile = doze::Profile::linux_default();
  FreezerChoice freezer = FreezerChoice::kAuto;
  std::string cgroup_parent;  ///< a cgroup2 folder that we may write; empty: found by the host
  NotifierChoice notifier = NotifierChoice::kAuto;
  /// The app of the active window is in the foreground (X11, $DISPLAY).
  bool follow_window = false;
  /// SIGTERM to SIGKILL, when an app is closed and when the host ends.
  base::Duration kill_grace = std::chrono::seconds(5);
  /// The command line that SIGHUP makes this process become, without touching the apps: see
  /// `Host::run`. Empty: SIGHUP is answered with a line in the log.
  std::vector<std::string> successor;
  /// A command that has to end with 0 before that, "PROGRAM --version"; empty: none.
  std::vector<std::string> successor_check;
  /// Called once, on the loop's thread, when the socket accepts, what an earlier host left is taken
  /// over, and the launches of the boot have begun. May be empty.
  std::function<void()> on_ready;
};

/// What kept something from starting: the file or field, and why.
struct StartError {
  base::Error error;
  std::string subject;  ///< "/run/wakeline/host.sock", "profile.linger"
};
/// "/run/wakeline/host.sock: listen: the address is in use".
std::string to_string(const StartError& error);

/// host.sock in `runtime_folder`.
std::string socket_path(const std::string& runtime_folder);

/// "linux", "ios" or "ios-classic". Errors: kNotFound.
base::Result<doze::Profile> profile_by_name(std::string_view name);

/// Sets one number of a profile from text: "linger=200ms", "limit_wakes=20",
/// "wake_on_end=false", "limit_action=kill". Durations are a whole number with ns, us, ms, s, min
/// or h. Errors: kNotFound (the key), kInvalidArgument (the value); `subject` says which.
std::expected<void, StartError> override_profile(doze::Profile& profile,
                                                 std::string_view assignment);

/// Errors: kInvalidArgument, with the field in `subject`.
std::expected<void, StartError> check(const HostOptions& options);

}  // namespace wakeline::host
