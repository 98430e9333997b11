// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "base/error.h"
#include "io/loop.h"

namespace wakeline::sys {

/// Events taken at once from a set of epoll that is watched; what is more comes at the loop's next
/// turn.
inline constexpr int kEventBatch = 64;

/// Tells once that a descriptor of ours is ready, on the loop's thread; `arm` asks again.
/// Only for descriptors whose open file is ours alone (epoll, pidfd, a bus): the event loop may
/// change flags of the open file, and a duplicate shares those with its app (C7).
/// Lifetime: `fd` stays the caller's and is closed after the watch. No call after destruction; the
///           handler may destroy the watch.
class FdWatch {
 public:
  /// Errors: kOs (the fd cannot be waited for, or the user's share of epoll is used up).
  static base::Result<std::unique_ptr<FdWatch>> create(io::Loop& loop, int fd,
                                                       std::function<void()> on_ready);
  ~FdWatch();
  FdWatch(const FdWatch&) = delete;
  FdWatch& operator=(const FdWatch&) = delete;

  /// One call of the handler when `fd` is readable (or writable). While armed, arming again for the
  /// same direction costs nothing.
  void arm(bool read, bool write = false);

 private:
  struct State;
  explicit FdWatch(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace wakeline::sys
