// SPDX-License-Identifier: Apache-2.0
#include "app/dispatcher.h"

#include <poll.h>

#include <utility>

namespace wakeline::app {

static_assert(std::atomic<bool>::is_always_lock_free, "stop() is called in signal handlers");

base::Result<Dispatcher> Dispatcher::create() {
  auto event = io::EventFd::create();
  if (!event) return base::fail(event.error());
  return Dispatcher(std::move(*event));
}

void Dispatcher::post(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
  event_.signal();
}

std::function<void()> Dispatcher::take() {
  const std::lock_guard lock(mutex_);
  if (tasks_.empty()) return {};
  auto task = std::move(tasks_.front());
  tasks_.pop_front();
  // Cleared with the last one, so that a task that throws leaves the rest announced.
  if (tasks_.empty()) event_.clear();
  return task;
}

std::size_t Dispatcher::dispatch() {
  std::size_t due = 0;
  {
    const std::lock_guard lock(mutex_);
    due = tasks_.size();
    if (due == 0) event_.clear();  // what `stop` announced
  }
  std::size_t ran = 0;
  for (; ran < due; ++ran) {
    // Destroyed before the next one is taken: what the app gave it may call the library.
    const auto task = take();
    if (!task) break;
    task();
  }
  return ran;
}

void Dispatcher::run() {
  while (!stopped_.exchange(false)) {
    pollfd waited{event_.fd(), POLLIN, 0};
    // EINTR: a signal handler may have called `stop`.
    if (::poll(&waited, 1, -1) > 0) dispatch();
  }
}

void Dispatcher::stop() {
  stopped_.store(true);
  event_.signal();
}

}  // namespace wakeline::app
