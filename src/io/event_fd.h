// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "base/error.h"
#include "io/unique_fd.h"

namespace wakeline::io {

/// A descriptor that is readable from `signal` until `clear`: between threads, and out of signal
/// handlers.
class EventFd {
 public:
  /// Errors: kOs.
  static base::Result<EventFd> create();

  int fd() const { return fd_.get(); }
  /// Any thread, any signal handler; leaves errno alone.
  void signal() const;
  void clear() const;

 private:
  explicit EventFd(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace wakeline::io
