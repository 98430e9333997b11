// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/loop.h"
#include "io/unique_fd.h"
#include "linux/process_limits.h"

namespace wakeline::sys {

/// How a program is started. Its descriptors are above 2 and stay the caller's.
struct SpawnOptions {
  std::vector<std::string> command;      ///< program and arguments; no slash: looked up in PATH
  std::vector<std::string> environment;  ///< "KEY=value", the whole of it
  std::string working_directory;         ///< empty: ours
  int input = -1;                        ///< stdin; -1: /dev/null
  int output = -1;                       ///< stdout and stderr; -1: ours
  int errors = -1;                       ///< stderr where it is not `output`
  std::optional<Limits> limits;          ///< given back to the program
};

struct Process {
  pid_t pid = 0;
  io::UniqueFd pidfd;
};

struct ExitInfo {
  bool known = true;  ///< false: not our child, and this kernel does not tell
  bool signaled = false;
  int code = 0;  ///< exit code or signal number
  friend bool operator==(const ExitInfo&, const ExitInfo&) = default;
};

/// Starts a program in a session of its own, with the signal mask and dispositions
/// of a fresh process, and no descriptor but 0–2. Returns when the program runs.
/// `cgroup`: directory of the cgroup v2 in which it is born (clone3; where that is refused, the
///           child moves itself before exec), -1: ours. It must not be frozen.
/// Errors:   kNotFound, kPermission, kOs: of the program or the working directory (`where` says
///           which), with errno; kInvalidArgument (no command); kTimeout (no exec within 5 s; the
///           child is killed).
base::Result<Process> spawn(const SpawnOptions& options, int cgroup = -1);

/// This process's environment, with `added` in front of what it replaces.
std::vector<std::string> inherit_environment(const std::vector<std::string>& added);

/// What became of an ended process; collects it when it is our child.
/// Errors: kBusy (it still runs).
base::Result<ExitInfo> take_exit(int pidfd);

/// Calls `on_exit` once, when the process has ended, with what `take_exit` says.
/// Lifetime: `pidfd` stays the caller's. The handler may destroy the watch.
class ExitWatch {
 public:
  /// Errors: kOs, as FdWatch.
  static base::Result<std::unique_ptr<ExitWatch>> create(io::Loop& loop, int pidfd,
                                                         std::function<void(ExitInfo)> on_exit);
  virtual ~ExitWatch() = default;
};

/// Processes whose parent dies become children of this process (PR_SET_CHILD_SUBREAPER): the host
/// stays an ancestor of its apps (Yama) and learns how they end. Whoever calls it must also call
/// `collect_orphans` now and then.
base::Result<void> adopt_orphans();
/// Collects ended children that nobody waits for: all except `ours`, which keep their exit status.
/// At most 1,024 a call. Returns: how many.
int collect_orphans(const std::vector<pid_t>& ours);

}  // namespace wakeline::sys
