// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/unique_fd.h"

namespace wakeline::sys {

/// One range of a process's memory.
struct MemoryRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  friend bool operator==(const MemoryRange&, const MemoryRange&) = default;
};

/// The anonymous ranges in the text of /proc/PID/maps: heap, stacks, what was allocated. Pages of
/// files are left out: they would be read again from the disk, which costs the next wake more
/// (measured: 22 ms instead of 6). At most `kRangesMax`, the largest first would be no better: a
/// process has some hundred.
std::vector<MemoryRange> anonymous_ranges(std::string_view maps);
inline constexpr std::size_t kRangesMax = 4'096;

/// "VmSwap" and "VmRSS" of a process, in bytes. Errors: kNotFound, kMalformed.
struct MemoryUse {
  std::uint64_t resident = 0;
  std::uint64_t swapped = 0;
};
base::Result<MemoryUse> memory_use(pid_t pid);

/// Free swap in percent; nullopt where the machine has none.
std::optional<int> free_swap_percent();
/// From the text of /proc/meminfo.
std::optional<int> free_swap_percent(std::string_view meminfo);
/// Below this nothing is given back: what is left is for who needs it.
inline constexpr int kFreeSwapMin = 20;

/// Gives the anonymous memory of sleeping processes back to the machine (process_madvise,
/// MADV_PAGEOUT); it comes back page by page as they touch it. It goes in steps, so that nobody
/// else's wake waits for it (measured: 135 to 211 ms for 200 MiB), and ends at any time: a job that
/// is destroyed leaves what it did not reach.
class ReclaimJob {
 public:
  /// Errors: kUnsupported (no swap), kBusy (less than kFreeSwapMin of it is free).
  static base::Result<ReclaimJob> begin(std::vector<pid_t> processes);

  /// Gives kStepBytes back at most: about a millisecond. Returns: whether there is more.
  /// Errors: kPermission (no CAP_SYS_NICE, or a process of another user), kUnsupported (a kernel
  ///         before 5.10), kBusy (the swap fills up), kOs. Then it is over.
  base::Result<bool> step();
  static constexpr std::uint64_t kStepBytes = 1 << 20;

  std::uint64_t resident_before() const { return before_; }
  /// Resident bytes of all its processes now.
  std::uint64_t resident_now() const;

 private:
  base::Result<void> open_next();

  std::vector<pid_t> processes_;
  std::size_t next_process_ = 0;
  io::UniqueFd pidfd_;               ///< of the process under way
  std::vector<MemoryRange> ranges_;  ///< what is left of it, from the back
  std::uint64_t before_ = 0;
};

}  // namespace wakeline::sys
