// SPDX-License-Identifier: Apache-2.0
#include "linux/clock_jump.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <limits>

#include "io/unique_fd.h"
#include "linux/fd_watch.h"

namespace wakeline::sys {
namespace {

// Between two readings of two clocks a process may lose the processor; no machine sleeps for less.
constexpr base::Duration kSleepMin = std::chrono::milliseconds(100);

class TimerfdJump final : public ClockJump {
 public:
  TimerfdJump(OnSlept on_slept, ReadAsleep read_asleep)
      : on_slept_(std::move(on_slept)), read_asleep_(std::move(read_asleep)) {}

  base::Result<void> start(io::Loop& loop) {
    asleep_ = read_asleep_();
    fd_.reset(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!fd_) return base::fail(base::os_error("timerfd_create", errno));
    if (const auto armed = arm(); !armed) return armed;
    auto watch = FdWatch::create(loop, fd_.get(), [this] { on_ready(); });
    if (!watch) return base::fail(watch.error());
    watch_ = std::move(*watch);
    watch_->arm(true);
    return {};
  }

  bool look() override {
    const base::Duration asleep = read_asleep_();
    const base::Duration slept = asleep - asleep_;
    // Small differences are not carried along: they would add up.
    asleep_ = asleep;
    if (slept < kSleepMin) return false;
    on_slept_(slept);
    return true;
  }

 private:
  // A time that never comes; only the cancellation counts.
  base::Result<void> arm() {
    itimerspec never = {};
    never.it_value.tv_sec = std::numeric_limits<std::int32_t>::max();
    never.it_value.tv_sec *= 4;
    const int flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
    if (::timerfd_settime(fd_.get(), flags, &never, nullptr) != 0) {
      return base::fail(base::os_error("timerfd_settime", errno));
    }
    return {};
  }

  void on_ready() {
    std::uint64_t count = 0;
    static_cast<void>(::read(fd_.get(), &count, sizeof count));  // ECANCELED, which it is here for
    if (!arm()) return;  // the clock is beyond the year 2242
    watch_->arm(true);
    look();
  }

  OnSlept on_slept_;
  ReadAsleep read_asleep_;
  io::UniqueFd fd_;
  std::unique_ptr<FdWatch> watch_;
  base::Duration asleep_{};
};

}  // namespace

base::Result<std::unique_ptr<ClockJump>> ClockJump::create(io::Loop& loop, OnSlept on_slept,
                                                           ReadAsleep read_asleep) {
  auto jump = std::make_unique<TimerfdJump>(std::move(on_slept), std::move(read_asleep));
  if (const auto started = jump->start(loop); !started) return base::fail(started.error());
  return jump;
}

}  // namespace wakeline::sys
