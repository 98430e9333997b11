// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <set>
#include <span>
#include <string>

#include "base/error.h"
#include "io/loop.h"
#include "linux/guardian.h"
#include "linux/process.h"

namespace wakeline::sys {

/// Keeps a guardian alive: nothing is stopped without one, and a killed one is replaced and told
/// what the old one knew.
class GuardianKeeper {
 public:
  /// `tree` as in Guardian::start. Errors: kOs.
  static base::Result<std::shared_ptr<GuardianKeeper>> start(const std::string& tree);

  /// Makes sure that a guardian lives, and tells it what is stopped next.
  /// Errors: kClosed (there is none, and none can be started).
  base::Result<void> will_stop(std::span<const ProcessKey> processes);
  void have_resumed(std::span<const ProcessKey> processes);

  /// From now on a guardian that ends is replaced at once.
  void keep(io::Loop& loop);
  pid_t pid() const { return guardian_.pid(); }

 private:
  GuardianKeeper(Guardian guardian, std::string tree)
      : guardian_(std::move(guardian)), tree_(std::move(tree)) {}
  base::Result<void> replace();
  void watch();

  Guardian guardian_;
  std::string tree_;
  std::set<ProcessKey> stopped_;
  io::Loop* loop_ = nullptr;
  std::unique_ptr<ExitWatch> watch_;
};

}  // namespace wakeline::sys
