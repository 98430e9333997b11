// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "io/loop.h"

namespace wakeline::io {

/// Calls `on_signal` on the loop's thread for each of `numbers`; until destroyed.
class Signals {
 public:
  virtual ~Signals() = default;
  static std::unique_ptr<Signals> create(Loop& loop, const std::vector<int>& numbers,
                                         std::function<void(int)> on_signal);
};

/// Keeps signals back for this thread, and for the program that it becomes by exec, until they are
/// let through: then those that came meanwhile are delivered, once each.
void hold_signals(const std::vector<int>& numbers);
void release_signals(const std::vector<int>& numbers);

/// Writes to a closed socket give EPIPE instead of ending the process (C35).
void ignore_sigpipe();

}  // namespace wakeline::io
