// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "wire/host_message.h"

namespace wakeline::cli::demo {

/// One thing that happened, in whichever part it was seen.
struct Moment {
  std::int64_t wall_ns = 0;
  std::string part;  ///< "server", "host", "app server", "demo"
  std::string event;
  std::string reason;
};

/// What happened in the demo, in the order of time, and how long its wakes took.
class Timeline {
 public:
  /// Something that the demo itself did or saw, now.
  void note(std::string part, std::string event, std::string reason);
  /// A ledger line of the host.
  void add(const wire::host::LedgerLine& line);

  /// Sorted by time; prints the table and the figures on stdout.
  void print() const;

  /// For each wake by a socket: event seen by the host → app running, in ns.
  const std::vector<std::int64_t>& wake_latencies() const { return wake_latencies_; }

 private:
  std::vector<Moment> moments_;
  std::vector<std::int64_t> wake_latencies_;
};

}  // namespace wakeline::cli::demo
