// SPDX-License-Identifier: Apache-2.0
#include "io/deadline_timer.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/check.h"

namespace wakeline::io {
namespace {

/// Shared with the wait under way, so that the timer may be destroyed in its own handler.
class TimerState : public std::enable_shared_from_this<TimerState> {
 public:
  TimerState(Loop& loop, int fd, std::function<void()> on_fired)
      : descriptor_(loop.context(), fd), on_fired_(std::move(on_fired)) {}

  void set(base::Instant at) {
    if (at == at_) return;
    at_ = at;
    itimerspec spec{};
    if (at != base::kNever) {
      // Zero would disarm; every instant in the past fires at once.
      const std::int64_t ns = std::max<std::int64_t>(at.time_since_epoch().count(), 1);
      spec.it_value.tv_sec = ns / 1'000'000'000;
      spec.it_value.tv_nsec = ns % 1'000'000'000;
    }
    WL_CHECK(timerfd_settime(descriptor_.native_handle(), TFD_TIMER_ABSTIME, &spec, nullptr) == 0);
    if (at == base::kNever) {
      cancel();  // a disarmed timer must not keep the loop running
    } else if (!waiting_) {
      wait();
    }
  }

  void close() {
    closed_ = true;
    boost::system::error_code ignored;
    descriptor_.close(ignored);
  }

 private:
  void cancel() {
    boost::system::error_code ignored;
    descriptor_.cancel(ignored);
  }

  void wait() {
    waiting_ = true;
    descriptor_.async_wait(
        boost::asio::posix::stream_descriptor::wait_read,
        [self = shared_from_this()](boost::system::error_code) { self->on_readable(); });
  }

  void on_readable() {
    waiting_ = false;
    if (closed_) return;
    std::uint64_t expirations = 0;
    // EAGAIN: the deadline was moved, or the wait cancelled, after this handler had been queued.
    const bool fired =
        ::read(descriptor_.native_handle(), &expirations, sizeof expirations) == sizeof expirations;
    if (!fired) {
      if (at_ != base::kNever) wait();
      return;
    }
    at_ = base::kNever;
    on_fired_();
  }

  boost::asio::posix::stream_descriptor descriptor_;
  std::function<void()> on_fired_;
  base::Instant at_ = base::kNever;
  bool waiting_ = false;
  bool closed_ = false;
};

class Timerfd : public DeadlineTimer {
 public:
  explicit Timerfd(std::shared_ptr<TimerState> state) : state_(std::move(state)) {}
  Timerfd(const Timerfd&) = delete;
  Timerfd& operator=(const Timerfd&) = delete;
  ~Timerfd() override { state_->close(); }

  void set(base::Instant at) override { state_->set(at); }

 private:
  std::shared_ptr<TimerState> state_;
};

}  // namespace

base::Result<std::unique_ptr<DeadlineTimer>> DeadlineTimer::create(Loop& loop, TimerKind kind,
                                                                   std::function<void()> on_fired) {
  const clockid_t clock = kind == TimerKind::kAlarm ? CLOCK_BOOTTIME_ALARM : CLOCK_BOOTTIME;
  const int fd = timerfd_create(clock, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fd < 0) return base::fail(base::os_error("timerfd_create", errno));
  return std::make_unique<Timerfd>(std::make_shared<TimerState>(loop, fd, std::move(on_fired)));
}

}  // namespace wakeline::io
