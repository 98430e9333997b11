// SPDX-License-Identifier: Apache-2.0
#include "linux/guardian_keeper.h"

#include <tuple>
#include <utility>
#include <vector>

#include "base/log.h"

namespace wakeline::sys {

using base::LogLevel;

base::Result<std::shared_ptr<GuardianKeeper>> GuardianKeeper::start(const std::string& tree) {
  auto guardian = Guardian::start(tree);
  if (!guardian) return base::fail(guardian.error());
  return std::shared_ptr<GuardianKeeper>(new GuardianKeeper(std::move(*guardian), tree));
}

base::Result<void> GuardianKeeper::will_stop(std::span<const ProcessKey> processes) {
  if (!guardian_.alive()) {
    if (const auto replaced = replace(); !replaced) return replaced;
  }
  if (const auto told = guardian_.will_stop(processes); !told) return told;
  stopped_.insert(processes.begin(), processes.end());
  return {};
}

void GuardianKeeper::have_resumed(std::span<const ProcessKey> processes) {
  for (const auto& key : processes) stopped_.erase(key);
  // A guardian that misses this sends SIGCONT to a running process one day: harmless.
  std::ignore = guardian_.have_resumed(processes);
}

void GuardianKeeper::keep(io::Loop& loop) {
  loop_ = &loop;
  watch();
}

base::Result<void> GuardianKeeper::replace() {
  base::log(LogLevel::kWarning, "guardian", "process {} has ended; starting another", pid());
  watch_.reset();
  auto next = Guardian::start(tree_);
  if (!next) return base::fail(base::ErrorCode::kClosed, "guardian", next.error().os_error);
  guardian_ = std::move(*next);
  watch();
  const std::vector<ProcessKey> known(stopped_.begin(), stopped_.end());
  return guardian_.will_stop(known);
}

void GuardianKeeper::watch() {
  if (!loop_) return;
  auto watch = ExitWatch::create(*loop_, guardian_.pidfd(), [this](ExitInfo) {
    if (const auto replaced = replace(); !replaced) {
      base::log(LogLevel::kError, "guardian", "cannot be replaced, so nothing is suspended: {}",
                base::to_string(replaced.error()));
    }
  });
  if (!watch) {
    base::log(LogLevel::kError, "guardian", "is not watched: {}", base::to_string(watch.error()));
    return;
  }
  watch_ = std::move(*watch);
}

}  // namespace wakeline::sys
