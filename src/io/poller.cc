// SPDX-License-Identifier: Apache-2.0
#include "io/poller.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "io/clock.h"

namespace wakeline::io {

namespace {

constexpr std::uint64_t kTimer = Poller::kMailbox - 1;

}  // namespace

base::Result<std::unique_ptr<Poller>> Poller::create() {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return base::fail(base::os_error("epoll_create", errno));
  UniqueFd timer(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer) return base::fail(base::os_error("timerfd_create", errno));
  auto mail = EventFd::create();
  if (!mail) return base::fail(mail.error());
  std::unique_ptr<Poller> poller(new Poller(std::move(epoll), std::move(timer), std::move(*mail)));
  if (auto added = poller->add(poller->mail_.fd(), EPOLLIN, kMailbox); !added)
    return base::fail(added.error());
  if (auto added = poller->add(poller->timer_.get(), EPOLLIN, kTimer); !added)
    return base::fail(added.error());
  return poller;
}

Poller::Poller(UniqueFd epoll, UniqueFd timer, EventFd mail)
    : epoll_(std::move(epoll)),
      timer_(std::move(timer)),
      mail_(std::move(mail)),
      events_(kEventsMax) {}

Poller::~Poller() = default;

base::Result<void> Poller::add(int fd, std::uint32_t events, std::uint64_t key) {
  epoll_event event{.events = events, .data = {.u64 = key}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
    return base::fail(base::os_error("epoll_ctl", errno));
  return {};
}

void Poller::change(int fd, std::uint32_t events, std::uint64_t key) {
  epoll_event event{.events = events, .data = {.u64 = key}};
  WL_CHECK_MSG(::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0, "fd={} errno={}", fd,
               errno);
}

void Poller::remove(int fd) {
  WL_CHECK_MSG(::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr) == 0, "fd={} errno={}", fd,
               errno);
}

void Poller::forget(int fd) {
  static_cast<void>(::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr));
}

void Poller::post(std::function<void()> task) {
  bool first = false;
  {
    const std::scoped_lock lock(mutex_);
    first = tasks_.empty();
    tasks_.push_back(std::move(task));
  }
  if (first) mail_.signal();
}

void Poller::arm(base::Instant until) {
  if (until == armed_) return;
  armed_ = until;
  itimerspec at{};
  if (until != base::kNever) {
    // 0 would disarm it.
    const auto ns = std::max<std::int64_t>(until.time_since_epoch().count(), 1);
    at.it_value = {.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
  }
  WL_CHECK(::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &at, nullptr) == 0);
}

std::span<const epoll_event> Poller::wait(base::Instant until) {
  arm(until);
  int count = ::epoll_wait(epoll_.get(), events_.data(), kEventsMax, -1);
  if (count < 0) {
    WL_CHECK_MSG(errno == EINTR, "errno={}", errno);
    count = 0;
  }
  int kept = 0;
  for (int i = 0; i < count; ++i) {
    const auto index = static_cast<std::size_t>(i);
    const std::uint64_t key = events_[index].data.u64;
    if (key == kMailbox) {
      mail_.clear();
    } else if (key == kTimer) {
      std::uint64_t times = 0;
      static_cast<void>(::read(timer_.get(), &times, sizeof times));
      armed_ = base::kNever;
    } else {
      events_[static_cast<std::size_t>(kept++)] = events_[index];
    }
  }
  return {events_.data(), static_cast<std::size_t>(kept)};
}

std::vector<std::function<void()>> Poller::take_tasks() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(tasks_, {});
}

bool Poller::has_tasks() {
  const std::scoped_lock lock(mutex_);
  return !tasks_.empty();
}

}  // namespace wakeline::io
