// SPDX-License-Identifier: Apache-2.0
#include "server/timer_queue.h"

namespace wakeline::server {

Timed::~Timed() { queue_.remove(*this); }

void TimerQueue::update(Timed& timed) {
  const base::Instant at = timed.next_deadline();
  if (at >= timed.queued_at_) return;
  remove(timed);
  timed.queued_at_ = at;
  const auto place = queue_.emplace(at, &timed).first;
  if (place == queue_.begin()) set_timer_(at);
}

void TimerQueue::remove(Timed& timed) {
  if (timed.queued_at_ == base::kNever) return;
  queue_.erase({timed.queued_at_, &timed});
  timed.queued_at_ = base::kNever;
}

void TimerQueue::fire(base::Instant now) {
  // No more than are there now: one that asks for the same instant again waits for the next turn.
  for (std::size_t left = queue_.size(); left > 0 && !queue_.empty(); --left) {
    const auto [at, timed] = *queue_.begin();
    if (at > now) break;
    queue_.erase(queue_.begin());
    timed->queued_at_ = base::kNever;
    if (timed->next_deadline() <= now)
      timed->on_deadline(now);
    else if (timed->next_deadline() != base::kNever)
      update(*timed);
  }
  set_timer_(queue_.empty() ? base::kNever : queue_.begin()->first);
}

}  // namespace wakeline::server
