// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <wakeline/run_loop.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "base/error.h"
#include "base/time.h"
#include "io/poller.h"

namespace wakeline::app {

/// What a RunLoop is: shared with the streams that are open on it, and with what comes to them
/// late. All calls but `run` and `dispatch` come from any thread.
class LoopCore {
 public:
  /// `events` of epoll(7).
  using OnReady = std::function<void(std::uint32_t events)>;

  /// Errors: kOs.
  static base::Result<std::shared_ptr<LoopCore>> create();
  explicit LoopCore(std::unique_ptr<io::Poller> poller) : poller_(std::move(poller)) {}
  LoopCore(const LoopCore&) = delete;
  LoopCore& operator=(const LoopCore&) = delete;

  void run();
  void stop();
  int fd() const { return poller_->fd(); }
  std::size_t dispatch();

  void post(std::function<void()> task) { poller_->post(std::move(task)); }
  /// `delay`: as base::bounded gives it.
  RunLoop::TimerId call_after(base::Duration delay, std::function<void()> task);
  void cancel(RunLoop::TimerId timer);

  /// Calls `on_ready` whenever `fd` has one of `events`. Returns: a number for `unwatch`; 0: epoll
  /// would not have it.
  std::uint64_t watch(int fd, std::uint32_t events, OnReady on_ready);
  /// An event that was on its way is dropped. The socket may be closed already.
  void unwatch(std::uint64_t watched);
  /// Nothing is delivered any more.
  void close();

 private:
  struct Watched {
    int fd;
    std::shared_ptr<OnReady> on_ready;
  };

  struct Timer {
    base::Instant at;  ///< kNever once it is among what is due
    std::function<void()> task;
  };

  base::Instant next() const;
  /// `stoppable`: what is due waits when the loop was stopped.
  std::size_t turn(base::Instant until, bool stoppable);
  void collect_timers();

  std::unique_ptr<io::Poller> poller_;
  std::atomic<bool> stopped_ = false;
  std::deque<std::function<void()>> due_;  ///< of the thread that runs

  mutable std::mutex mutex_;
  std::uint64_t last_ = 0;                    // guarded
  std::map<std::uint64_t, Watched> watched_;  // guarded
  std::map<RunLoop::TimerId, Timer> timers_;  // guarded
};

}  // namespace wakeline::app
