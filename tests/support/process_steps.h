// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "io/unique_fd.h"

namespace wakeline::test {

/// The steps of a process that others can see, by its system calls (ptrace(2)): bytes taken from a
/// socket, bytes sent or written, syncs, files made, renamed and removed. It can kill the process
/// at its n-th step, so that a test reaches every one of them, in a program that knows nothing of
/// it.
///
/// All threads are followed. A step is over before the next one of any thread begins, so they have
/// one order. Locks and memory are no steps: what they change dies with the process.
///
/// The process is a child of this one; it is killed with this object at the latest.
class ProcessSteps {
 public:
  enum class When : std::uint8_t { kBefore, kAfter };
  struct Step {
    std::string call;    ///< "fsync"
    std::string target;  ///< a path, or what /proc/PID/fd says: "socket:[4711]"
    bool done;           ///< false: killed before it
  };

  /// Returns when every thread is followed; steps count from 1 from now on. `kill_at` 0: never.
  /// Bytes taken count when there were some, so a kill before such a step comes after it as well.
  explicit ProcessSteps(pid_t pid, std::size_t kill_at = 0, When when = When::kBefore);
  ProcessSteps(const ProcessSteps&) = delete;
  ProcessSteps& operator=(const ProcessSteps&) = delete;
  ~ProcessSteps();

  /// Whether the step has come, and the process is killed; reaping it is left to its parent.
  bool killed() const { return killed_; }
  std::vector<Step> steps() const;

 private:
  struct Call {
    std::uint64_t number;
    std::uint64_t arguments[6];
  };

  void follow(std::promise<void> following);
  void attach();
  /// Returns: whether it goes on.
  bool on_stop(pid_t thread, int status);
  bool on_call(pid_t thread);
  std::optional<Step> step_of(const Call& call) const;
  std::optional<std::int64_t> finish(pid_t thread);
  void note(Step step);
  void kill_now();
  std::string descriptor(std::uint64_t fd) const;
  std::string text_at(std::uint64_t address) const;

  const pid_t pid_;
  const io::UniqueFd process_;
  const std::size_t kill_at_;
  const When when_;
  mutable std::mutex mutex_;
  std::vector<Step> steps_;  // under mutex_
  std::atomic<bool> killed_ = false;
  std::thread thread_;
};

/// For people: "3 fsync /tmp/state.Xy12ab", a line each.
std::string to_text(const std::vector<ProcessSteps::Step>& steps);

}  // namespace wakeline::test
