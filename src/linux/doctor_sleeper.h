// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/wait.h>

#include <csignal>
#include <tuple>

#include "base/error.h"
#include "linux/proc.h"
#include "linux/process.h"

namespace wakeline::sys {

/// A program that only waits, and that is gone afterwards.
class Sleeper {
 public:
  explicit Sleeper(int cgroup = -1) : process_(spawn(options(), cgroup)) {}
  ~Sleeper() {
    if (!process_) return;
    std::ignore = send_signal(process_->pidfd.get(), SIGKILL);
    ::waitpid(process_->pid, nullptr, 0);
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  const base::Result<Process>& process() const { return process_; }

 private:
  static SpawnOptions options() {
    SpawnOptions sleep;
    sleep.command = {"sleep", "60"};
    return sleep;
  }
  base::Result<Process> process_;
};

}  // namespace wakeline::sys
