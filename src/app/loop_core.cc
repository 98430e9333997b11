// SPDX-License-Identifier: Apache-2.0
#include "app/loop_core.h"

#include <algorithm>
#include <vector>

#include "io/clock.h"

namespace wakeline::app {

static_assert(std::atomic<bool>::is_always_lock_free, "stop() is called in signal handlers");

base::Result<std::shared_ptr<LoopCore>> LoopCore::create() {
  auto poller = io::Poller::create();
  if (!poller) return base::fail(poller.error());
  return std::make_shared<LoopCore>(std::move(*poller));
}

RunLoop::TimerId LoopCore::call_after(base::Duration delay, std::function<void()> task) {
  RunLoop::TimerId timer = 0;
  {
    const std::lock_guard lock(mutex_);
    timer = ++last_;
    timers_.emplace(timer, Timer{io::now() + delay, std::move(task)});
  }
  poller_->interrupt();  // it may be the next deadline
  return timer;
}

void LoopCore::cancel(RunLoop::TimerId timer) {
  std::function<void()> dropped;  // destroyed without the lock: it may own anything
  const std::lock_guard lock(mutex_);
  const auto found = timers_.find(timer);
  if (found == timers_.end()) return;
  dropped = std::move(found->second.task);
  timers_.erase(found);
}

std::uint64_t LoopCore::watch(int fd, std::uint32_t events, OnReady on_ready) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t key = ++last_;
  if (!poller_->add(fd, events, key)) return 0;
  watched_.emplace(key, Watched{fd, std::make_shared<OnReady>(std::move(on_ready))});
  return key;
}

void LoopCore::unwatch(std::uint64_t watched) {
  std::shared_ptr<OnReady> dropped;
  const std::lock_guard lock(mutex_);
  const auto found = watched_.find(watched);
  if (found == watched_.end()) return;
  poller_->forget(found->second.fd);
  dropped = std::move(found->second.on_ready);
  watched_.erase(found);
}

void LoopCore::close() {
  decltype(watched_) watched;
  decltype(timers_) timers;
  {
    const std::lock_guard lock(mutex_);
    watched.swap(watched_);
    timers.swap(timers_);
    for (const auto& each : watched) poller_->forget(each.second.fd);
  }
  const auto tasks = poller_->take_tasks();
  due_.clear();
}

base::Instant LoopCore::next() const {
  const std::lock_guard lock(mutex_);
  base::Instant earliest = base::kNever;
  for (const auto& [id, timer] : timers_) earliest = std::min(earliest, timer.at);
  return earliest;
}

void LoopCore::collect_timers() {
  const std::lock_guard lock(mutex_);
  const base::Instant now = io::now();
  std::vector<std::pair<base::Instant, RunLoop::TimerId>> ripe;
  for (auto& [id, timer] : timers_) {
    if (timer.at > now) continue;
    ripe.emplace_back(timer.at, id);
    timer.at = base::kNever;
  }
  std::ranges::sort(ripe);
  for (const auto& [at, id] : ripe) {
    due_.emplace_back([this, id] {
      std::function<void()> task;
      {
        const std::lock_guard taking(mutex_);
        const auto found = timers_.find(id);
        if (found == timers_.end()) return;  // cancelled
        task = std::move(found->second.task);
        timers_.erase(found);
      }
      task();
    });
  }
}

std::size_t LoopCore::turn(base::Instant until, bool stoppable) {
  const auto events = poller_->wait(due_.empty() ? until : io::now());
  for (const epoll_event& event : events) {
    due_.emplace_back([this, key = event.data.u64, ready = event.events] {
      std::shared_ptr<OnReady> on_ready;
      {
        const std::lock_guard lock(mutex_);
        const auto found = watched_.find(key);
        if (found == watched_.end()) return;
        on_ready = found->second.on_ready;
      }
      (*on_ready)(ready);
    });
  }
  collect_timers();
  for (auto& task : poller_->take_tasks()) due_.push_back(std::move(task));
  std::size_t ran = 0;
  // What a handler that throws leaves behind is run in the next turn.
  for (std::size_t due = due_.size(); ran < due && !due_.empty() && !(stoppable && stopped_);
       ++ran) {
    const auto task = std::move(due_.front());
    due_.pop_front();
    task();
  }
  return ran;
}

void LoopCore::run() {
  while (!stopped_.exchange(false)) turn(next(), true);
}

void LoopCore::stop() {
  stopped_.store(true);
  poller_->interrupt();
}

std::size_t LoopCore::dispatch() {
  // Also when a handler throws: the next deadline, or what is left, makes `fd` readable.
  const std::shared_ptr<void> rearm(
      nullptr, [this](void*) { poller_->arm(due_.empty() ? next() : io::now()); });
  return turn(io::now(), false);
}

}  // namespace wakeline::app
