// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "io/loop.h"
#include "linux/cgroup.h"
#include "linux/process.h"

namespace wakeline::sys {

/// The processes of one app, from launch to launch. Destroying it leaves them as they are.
class AppGroup {
 public:
  virtual ~AppGroup() = default;

  /// Ends what is left of an earlier launch, then starts the program inside. Errors: as `spawn`.
  virtual base::Result<Process> launch(const SpawnOptions& options) = 0;
  /// The first process of the running launch, also when an earlier host started it.
  /// Errors: kNotFound (it has ended).
  virtual base::Result<Process> main_process() const = 0;

  /// Stops every process and thread; bounded by kFreezeBound. After an error the app runs.
  /// Errors: kPermission, kClosed (no guardian: nobody would thaw it if we die), kOs.
  virtual base::Result<FreezeOutcome> freeze() = 0;
  /// Lets it run; nothing to do for an app that runs.
  virtual base::Result<void> thaw() = 0;
  /// A signal to every process; a frozen one acts on it when it runs again, unless it is deadly.
  virtual base::Result<void> signal(int number) = 0;
  /// SIGKILL to every process, frozen or not. Does not wait: see `ExitWatch`.
  virtual base::Result<void> kill() = 0;

  /// CPU time of the app since `launch`, all processes. Never falls.
  virtual base::Result<base::Duration> cpu_time() = 0;
  /// Whether one of its processes is in the midst of something: see `is_busy`. Of a process that
  /// began in the last kRecent it may not know yet; a freeze finds every one.
  virtual bool busy() = 0;
  virtual std::vector<pid_t> processes() const = 0;
  virtual bool contains(pid_t pid) const = 0;

  /// A note of the host on the running launch, which outlives the host and ends with the launch: an
  /// extended attribute of the cgroup, or a file. `key`: [a-z_]. Errors: kUnsupported (SIGSTOP
  /// without FreezerOptions::notes_folder), kOs, as io::make_folder.
  virtual base::Result<void> set_attribute(const std::string& key, const std::string& value) = 0;
  virtual std::optional<std::string> attribute(const std::string& key) const = 0;

  /// Kills what is left and removes the group. Errors: kBusy (a process does not die), kOs.
  virtual base::Result<void> remove() = 0;
};

struct FreezerOptions {
  std::string name = "host";   ///< of this host: names its cgroup
  std::string parent{};        ///< cgroup folder to live under; empty: chosen, see CgroupTree
  bool signals_only = false;   ///< do not even try cgroups
  std::string notes_folder{};  ///< for AppGroup::set_attribute where there is no cgroup
};

/// The mechanism by which apps are suspended: cgroup v2 freezer, or SIGSTOP and SIGCONT. With it
/// comes a guardian process (guardian.h) that lets every app run if this process dies.
class Freezer {
 public:
  /// Chooses the mechanism, forks the guardian (so: before threads are started) and lets every app
  /// run that an earlier host left frozen.
  /// Errors: kInvalidArgument (the name), kOs (no guardian).
  static base::Result<std::unique_ptr<Freezer>> open(const FreezerOptions& options);
  virtual ~Freezer() = default;

  /// Makes the app's group, or finds the one of an earlier host. `id`: [a-z0-9._-]{1,64}, not
  /// starting with a dot. Errors: kInvalidArgument, kPermission, kOs.
  virtual base::Result<std::unique_ptr<AppGroup>> group(const std::string& id) = 0;
  /// Ids of apps with living processes of an earlier host; sorted.
  virtual std::vector<std::string> existing() const = 0;
  /// The app to which a process belongs.
  virtual std::optional<std::string> app_of(pid_t pid) const = 0;

  virtual std::string_view mechanism() const = 0;  ///< "cgroup" or "sigstop": for ledger and doctor
  virtual std::string describe() const = 0;        ///< a line for people: where, or why no cgroup
  /// Why there is no cgroup; kOk when there is one or none was wanted.
  virtual base::Error fallback_reason() const = 0;

  /// Starts the guardian anew, with a line in the log, whenever somebody kills it.
  virtual void keep_guardian(io::Loop& loop) = 0;
  virtual pid_t guardian() const = 0;
};

}  // namespace wakeline::sys
