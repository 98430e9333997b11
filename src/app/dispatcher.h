// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <mutex>

#include "base/error.h"
#include "io/event_fd.h"

namespace wakeline::app {

/// The handlers that wait for the app's own thread.
class Dispatcher {
 public:
  /// Errors: kOs.
  static base::Result<Dispatcher> create();
  explicit Dispatcher(io::EventFd event) : event_(std::move(event)) {}
  Dispatcher(Dispatcher&& other) noexcept
      : event_(std::move(other.event_)) {}  ///< when still empty
  Dispatcher& operator=(Dispatcher&&) = delete;
  ~Dispatcher() = default;

  /// Readable while `dispatch` has something to run.
  int fd() const { return event_.fd(); }
  /// Any thread.
  void post(std::function<void()> task);
  /// Runs what waited at the moment of the call. An exception of a task passes through; what comes
  /// after that task waits for the next call.
  std::size_t dispatch();
  void run();
  /// Any thread, any signal handler.
  void stop();

 private:
  /// Empty: none is left.
  std::function<void()> take();

  io::EventFd event_;
  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;
  std::deque<std::function<void()>> tasks_;  // under mutex_
};

}  // namespace wakeline::app
