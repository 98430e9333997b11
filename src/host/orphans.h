// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <vector>

#include "base/error.h"
#include "io/deadline_timer.h"
#include "io/loop.h"
#include "io/signals.h"

namespace wakeline::host {

/// Collects processes that apps left behind: as the subreaper of its apps the host is their parent.
/// It looks a moment after a SIGCHLD and never else.
class Orphans {
 public:
  /// `ours`: children whose end somebody else collects. `loop` outlives it. Errors: kOs.
  static base::Result<std::unique_ptr<Orphans>> create(io::Loop& loop,
                                                       std::function<std::vector<pid_t>()> ours);

 private:
  explicit Orphans(std::function<std::vector<pid_t>()> ours) : ours_(std::move(ours)) {}
  void on_child_signal();
  void collect();

  std::function<std::vector<pid_t>()> ours_;
  std::unique_ptr<io::DeadlineTimer> timer_;
  std::unique_ptr<io::Signals> signals_;
  bool armed_ = false;
};

}  // namespace wakeline::host
