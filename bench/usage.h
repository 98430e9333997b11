// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <vector>

namespace wakeline::bench {

/// What a process has used so far, and what it holds now.
struct Usage {
  /// Times that a thread gave up the processor by itself, and so was woken again.
  double wakeups = 0;
  /// Times that the processor was taken from a thread that would have run on.
  double preempted = 0;
  double cpu_ms = 0;
  double rss_kib = 0;
  double pss_kib = 0;  ///< a page that N processes share counts as a part of N
  double anonymous_kib = 0;
};

/// Of every living thread of the process, from /proc.
Usage usage(pid_t pid);
/// The sum of them.
Usage usage(const std::vector<pid_t>& processes);
/// A process with its children and theirs, those of `without` left out.
std::vector<pid_t> process_tree(pid_t root, pid_t without = 0);

}  // namespace wakeline::bench
