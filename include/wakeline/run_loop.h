// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <wakeline/error.h>
#include <wakeline/export.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace wakeline {

namespace app {
class LoopCore;
}  // namespace app

/// Delivers the events of streams, tasks and timers in one thread: the one that calls `run`, or
/// `dispatch` where the app has a loop already. That may be a thread of its own (C32).
///
/// Threads: every method but `run` and `dispatch` may be called from any thread, also by a handler.
/// An exception out of a handler leaves `run` or `dispatch` by the way it came; what waited behind
/// it waits for the next call. When the loop is destroyed, what it had to deliver is dropped.
class WAKELINE_API RunLoop {
 public:
  /// Names one timer of `call_after`.
  using TimerId = std::uint64_t;

  /// Errors: kOs (no descriptors).
  static Result<RunLoop> create();
  RunLoop(RunLoop&&) noexcept;
  RunLoop& operator=(RunLoop&&) noexcept;
  ~RunLoop();

  /// Waits and runs handlers until `stop`. One thread at a time.
  void run();
  /// Ends `run` after the handler that is running, or the next one at once. Also safe in a signal
  /// handler.
  void stop();

  /// Readable while `dispatch` has something to run: for the app's own event loop. Never read it.
  int fd() const;
  /// Runs the handlers that are due now. Returns: how many. Never waits.
  std::size_t dispatch();

  /// Runs `task` in the loop's thread, later.
  void post(std::function<void()> task);
  /// Runs `task` once, after `delay`, which counts the machine's sleep. Returns: a number for
  /// `cancel`, never 0.
  TimerId call_after(std::chrono::milliseconds delay, std::function<void()> task);
  /// A timer that has run, or none, is no error.
  void cancel(TimerId timer);

 private:
  friend class StreamPair;
  explicit RunLoop(std::shared_ptr<app::LoopCore> core);

  std::shared_ptr<app::LoopCore> core_;
};

}  // namespace wakeline
