// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "io/deadline_timer.h"
#include "io/loop.h"
#include "io/unique_fd.h"
#include "linux/exit_set.h"
#include "linux/freezer.h"
#include "linux/process.h"
#include "wire/host_message.h"
#include "wire/manifest.h"

namespace wakeline::host {

/// What every app is started with.
struct LaunchSettings {
  std::string socket_path;  ///< WAKELINE_HOST
  sys::Limits limits;       ///< those that the host itself was started with
};

/// What a program that somebody started from a terminal gets of that terminal.
struct LaunchStreams {
  io::UniqueFd input, output, errors;
  std::vector<std::string> environment;  ///< the whole of it, but for our own variables
};

/// Why and how an app is launched; it finds both in its environment too (C24).
struct LaunchContext {
  wire::host::LaunchReason reason = wire::host::LaunchReason::kUser;
  bool foreground = false;
  /// Null for /dev/null, the host's own output and the host's environment.
  const LaunchStreams* streams = nullptr;
};

/// The processes of one app over many launches: one group, at most one running launch in it.
class AppProcess {
 public:
  using OnExit = std::function<void(sys::ExitInfo)>;

  /// Makes the app's group or finds that of an earlier host. The parts and `id` outlive
  /// it. `on_exit` runs on the loop's thread whenever a launch has ended; then every process of it
  /// is gone or about to be (C24).
  /// Errors: as Freezer::group.
  static base::Result<std::unique_ptr<AppProcess>> create(io::Loop& loop, sys::ExitSet& exits,
                                                          sys::Freezer& freezer,
                                                          const std::string& id, OnExit on_exit);

  /// Errors: as `spawn`, ExitWatch::create; nothing runs then.
  base::Result<void> launch(const wire::Manifest& manifest, const LaunchSettings& settings,
                            const LaunchContext& context);
  /// Takes over what an earlier host has launched. Errors: kNotFound (it has ended; what is left of
  /// it is killed).
  base::Result<void> adopt();

  bool running() const { return process_.pid > 0; }
  pid_t pid() const { return process_.pid; }  ///< 0: not running

  /// A signal to every process. The app must not be suspended.
  void signal(int number);
  /// SIGTERM now, SIGKILL to whatever is left after `grace`. The app must not be suspended.
  void end(base::Duration grace);
  void kill();

  sys::AppGroup& group() { return *group_; }

 private:
  AppProcess(io::Loop& loop, sys::ExitSet& exits, const std::string& id, OnExit on_exit)
      : loop_(loop), exits_(exits), id_(id), on_exit_(std::move(on_exit)) {}
  base::Result<void> watch(sys::Process process);
  void exited(sys::ExitInfo info);

  io::Loop& loop_;
  sys::ExitSet& exits_;
  const std::string& id_;
  OnExit on_exit_;
  std::unique_ptr<sys::AppGroup> group_;
  sys::Process process_;
  std::unique_ptr<sys::ExitWatch> exit_watch_;      // before process_ dies: it uses the pidfd
  std::unique_ptr<io::DeadlineTimer> grace_timer_;  // only while one runs: a descriptor each
};

}  // namespace wakeline::host
