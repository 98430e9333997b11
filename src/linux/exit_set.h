// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "base/error.h"
#include "io/loop.h"
#include "linux/process.h"

namespace wakeline::sys {

/// Waits for the ends of very many processes with one descriptor of the loop: an entry is some
/// bytes, where an ExitWatch of its own is half a kilobyte.
class ExitSet {
 public:
  /// `loop` outlives it. Errors: kOs.
  static base::Result<std::unique_ptr<ExitSet>> create(io::Loop& loop);
  virtual ~ExitSet() = default;

  /// As ExitWatch::create; the set outlives the watch. Errors: kOs.
  virtual base::Result<std::unique_ptr<ExitWatch>> watch(int pidfd,
                                                         std::function<void(ExitInfo)> on_exit) = 0;
};

}  // namespace wakeline::sys
