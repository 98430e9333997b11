// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <set>
#include <utility>

#include "base/time.h"

namespace wakeline::server {

class TimerQueue;

/// Something with one deadline that moves often. It tells the queue (`TimerQueue::update`) after
/// each change; a deadline that moved to later costs nothing until the old one is reached.
class Timed {
 public:
  explicit Timed(TimerQueue& queue) : queue_(queue) {}
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;
  virtual ~Timed();

  virtual base::Instant next_deadline() const = 0;
  /// May destroy the object.
  virtual void on_deadline(base::Instant now) = 0;

 private:
  friend class TimerQueue;
  TimerQueue& queue_;
  base::Instant queued_at_ = base::kNever;
};

/// The deadlines of all sessions and connections of one thread, behind one timer.
class TimerQueue {
 public:
  /// `set_timer` arms the one timer; whoever owns it calls `fire` then.
  explicit TimerQueue(std::function<void(base::Instant)> set_timer)
      : set_timer_(std::move(set_timer)) {}

  void update(Timed& timed);
  void fire(base::Instant now);

 private:
  friend class Timed;
  void remove(Timed& timed);

  std::function<void(base::Instant)> set_timer_;
  std::set<std::pair<base::Instant, Timed*>> queue_;
};

}  // namespace wakeline::server
