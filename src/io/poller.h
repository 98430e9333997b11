// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "io/event_fd.h"
#include "io/unique_fd.h"

namespace wakeline::io {

/// What a thread waits on that holds very many sockets: epoll itself, with nothing on the heap for
/// a socket. Level-triggered. All calls but `post` belong to the thread that turns it.
class Poller {
 public:
  static constexpr std::uint64_t kMailbox = ~std::uint64_t{0};  ///< a key of its own

  /// Errors: kOs.
  static base::Result<std::unique_ptr<Poller>> create();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;
  ~Poller();

  /// `events` of epoll_ctl(2). Errors: kOs.
  base::Result<void> add(int fd, std::uint32_t events, std::uint64_t key);
  void change(int fd, std::uint32_t events, std::uint64_t key);
  void remove(int fd);
  /// As `remove`, of a socket that its owner may have closed already. Thread-safe, and so is `add`.
  void forget(int fd);

  /// Runs `task` in the next turn, on the thread that turns. Thread-safe.
  void post(std::function<void()> task);
  /// Ends the wait under way, or the next one. Any thread, any signal handler.
  void interrupt() { mail_.signal(); }

  /// For a loop that waits elsewhere: readable while `wait` would not wait.
  int fd() const { return epoll_.get(); }
  /// Makes `fd` readable at `until`, too.
  void arm(base::Instant until);

  /// Waits until something happens or `until` comes. Returns: the events, valid until the next
  /// call; those of the mailbox are not among them.
  std::span<const epoll_event> wait(base::Instant until);
  /// The tasks that were posted, in their order.
  std::vector<std::function<void()>> take_tasks();
  /// Whether some were posted that are not taken yet. Thread-safe.
  bool has_tasks();

 private:
  static constexpr int kEventsMax = 512;  ///< of one turn

  Poller(UniqueFd epoll, UniqueFd timer, EventFd mail);

  UniqueFd epoll_;
  UniqueFd timer_;  ///< on CLOCK_BOOTTIME: epoll's own timeout does not count the machine's sleep
  EventFd mail_;
  base::Instant armed_ = base::kNever;
  std::vector<epoll_event> events_;

  std::mutex mutex_;
  std::vector<std::function<void()>> tasks_;  // guarded by mutex_
};

}  // namespace wakeline::io
