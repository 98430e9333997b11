// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "io/unique_fd.h"

namespace wakeline::sys {

/// A process for all time: the kernel reuses the number, but not together with the start time.
struct ProcessKey {
  pid_t pid = 0;
  std::uint64_t start = 0;  ///< clock ticks since boot, field 22 of /proc/PID/stat
  friend auto operator<=>(const ProcessKey&, const ProcessKey&) = default;
};

/// One line of /proc/PID/stat.
struct ProcStat {
  ProcessKey key;
  pid_t parent = 0;
  pid_t session = 0;
  char state = '?';  ///< R, S, D, T (stopped), t (traced), Z, X
  friend bool operator==(const ProcStat&, const ProcStat&) = default;
};

/// The path of a file of /proc/PID.
std::string proc_file(pid_t pid, const char* file);

/// Errors: kMalformed. The name of the program may hold spaces and brackets.
base::Result<ProcStat> parse_proc_stat(std::string_view line);
/// Errors: kNotFound (no such process), kOs.
base::Result<ProcStat> read_proc_stat(pid_t pid);
/// Every process that can be seen; those that end meanwhile are left out.
std::vector<ProcStat> list_processes();

/// How old a list of RecentProcesses may be. A walk costs some 40 µs a process: a host that samples
/// ten apps every five milliseconds would do nothing else.
inline constexpr base::Duration kRecent = std::chrono::milliseconds(20);

/// One walk through /proc for everybody who asks in a short while.
class RecentProcesses {
 public:
  const std::vector<ProcStat>& list(base::Instant now) {
    if (now - read_at_ >= kRecent || list_.empty()) {
      list_ = list_processes();
      read_at_ = now;
    }
    return list_;
  }

 private:
  std::vector<ProcStat> list_;
  base::Instant read_at_{};
};

/// Errors: kNotFound (it ended, or the number belongs to another process now), kOs.
base::Result<io::UniqueFd> open_pidfd(const ProcessKey& key);
/// Errors: kNotFound (it ended), kPermission, kOs.
base::Result<void> send_signal(int pidfd, int number);
/// CPU time of a living process, all threads, to the nanosecond. Errors: kNotFound, kOs.
base::Result<base::Duration> process_cpu_time(pid_t pid);
/// Whether a thread of the process runs, waits for a processor or waits for a device (states R and
/// D): it is in the midst of something, even when it has used no CPU time for a while. False for a
/// process that has ended.
bool is_busy(pid_t pid);
/// What processes have in memory, in KiB; pages that they share count for each.
std::uint64_t resident_kib(const std::vector<pid_t>& processes);
/// The value of a variable in the environment that the process was started with.
/// Errors: kNotFound (no such variable or process), kPermission.
base::Result<std::string> initial_environment(pid_t pid, std::string_view variable);
/// The path of its cgroup v2, "/" for the root, as the reader's cgroup namespace shows it.
/// Errors: kNotFound, kMalformed (no v2 line).
base::Result<std::string> cgroup_path_of(pid_t pid);

}  // namespace wakeline::sys
