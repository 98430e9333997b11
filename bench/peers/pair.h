// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "bed.h"
#include "peers/subject.h"
#include "report.h"
#include "usage.h"

namespace wakeline::bench {

/// What one program and its twin have used and hold.
struct PairUsage {
  Usage usual;
  Usage suspended;
  Usage host;  ///< the twin's, with its guardian
};

/// A program as usual, and its twin that is suspended by a host of its own, on the same server.
class Pair {
 public:
  /// Both are ready when it returns. `folder` is theirs alone.
  static Outcome<std::unique_ptr<Pair>> start(std::unique_ptr<Subject> subject,
                                              const std::string& folder);

  const Subject& subject() const { return *subject_; }
  /// Waits until the twin sleeps.
  Outcome<void> await_asleep();
  /// Asks the host, which costs it a little. Returns: how often it has woken the twin. Fails when
  /// one of the two has ended, or is another process than at the start.
  Outcome<std::uint64_t> wakes();
  /// Looks from outside: costs none of them anything.
  PairUsage usage() const;
  /// Whether the kernel has stopped the twin by signals, because there was no cgroup for it.
  bool by_signals() const;
  /// Rings one, then the other in its sleep.
  Outcome<void> ring();
  const Samples& rings(Side side) const { return rings_[side]; }

 private:
  Pair() = default;
  Outcome<void> start_usual(const std::string& folder);
  Outcome<void> start_suspended(const std::string& folder);
  Outcome<wire::host::AppInfo> info();

  std::unique_ptr<Subject> subject_;
  std::unique_ptr<Screen> screens_[kSides];
  cli::Program usual_;
  std::unique_ptr<Bed> bed_;
  pid_t suspended_ = 0;
  Samples rings_[kSides];
};

}  // namespace wakeline::bench
