// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <span>
#include <string>

#include "base/error.h"
#include "io/unique_fd.h"
#include "linux/proc.h"

namespace wakeline::sys {

/// A small process that outlives the host by a moment: when the host is gone, in whatever way, it
/// lets every app run and ends. It holds a pidfd of the host and one end of a socket pair, ignores
/// SIGTERM, SIGINT and SIGHUP, and does nothing while the host lives.
///
/// In cgroup mode it walks the tree. In SIGSTOP mode it knows what it was told: the host reports
/// every process *before* it stops it, and what lies in the socket survives the host's death.
class Guardian {
 public:
  /// `tree`: the folder whose cgroups it thaws; empty in SIGSTOP mode. Forks: call it before
  /// threads are started. Errors: kOs.
  static base::Result<Guardian> start(const std::string& tree);
  Guardian(Guardian&&) = default;
  Guardian& operator=(Guardian&& other) noexcept;
  /// Ends it as the host's death does: what is frozen runs. Waits for it, at most a second.
  ~Guardian();

  /// Reports processes that are stopped next. Errors: kClosed (it is dead: do not stop them).
  base::Result<void> will_stop(std::span<const ProcessKey> processes);
  /// Reports processes that run again.
  base::Result<void> have_resumed(std::span<const ProcessKey> processes);

  bool alive() const;
  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }

 private:
  Guardian() = default;
  void end();
  base::Result<void> report(char what, std::span<const ProcessKey> processes);

  pid_t pid_ = 0;
  io::UniqueFd pidfd_;
  io::UniqueFd channel_;
};

}  // namespace wakeline::sys
