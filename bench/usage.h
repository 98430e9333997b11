// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

namespace wakeline::bench {

/// What a process has used so far, and what it holds now.
struct Usage {
  /// Times that a thread gave up the processor by itself, and so was woken again.
  double wakeups = 0;
  double cpu_ms = 0;
  double rss_kib = 0;
  double anonymous_kib = 0;
};

/// Of every thread of the process, from /proc.
Usage usage(pid_t pid);

}  // namespace wakeline::bench
