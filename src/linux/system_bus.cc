// SPDX-License-Identifier: Apache-2.0
#include "linux/system_bus.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "io/clock.h"

namespace wakeline::sys {
namespace {

constexpr base::Duration kRetryFirst = std::chrono::seconds(1);
constexpr base::Duration kRetryMax = std::chrono::seconds(60);

}  // namespace

SystemBus::SystemBus(io::Loop& loop, std::string address)
    : loop_(loop), address_(std::move(address)), delay_(kRetryFirst) {
  auto timer = io::DeadlineTimer::create(loop, io::TimerKind::kBoottime, [this] { connect(); });
  if (timer) {
    retry_ = std::move(*timer);
  } else {
    base::log(base::LogLevel::kWarning, "bus", "a lost system bus stays lost: {}",
              base::to_string(timer.error()));
  }
  later([this] { connect(); });
}

void SystemBus::later(std::function<void()> what) {
  loop_.post([alive = std::weak_ptr<int>(alive_), what = std::move(what)] {
    if (!alive.expired()) what();
  });
}

void SystemBus::connect() {
  const bool again = error_.has_value();
  error_.reset();
  auto bus = Bus::open_system(loop_, address_, [this](base::Error error) { lose(error); });
  if (!bus) {
    error_ = bus.error();
    if (!again) {  // there never was one
      for (const User& user : users_) user.on_lost();
      return;
    }
    delay_ = std::min(delay_ * 2, kRetryMax);
    if (retry_) retry_->set(io::now() + delay_);
    return;
  }
  bus_ = std::move(*bus);
  if (error_) return;  // lost already: what follows from it is on its way
  for (const User& user : users_) user.on_connected(*bus_);
}

void SystemBus::lose(base::Error error) {
  error_ = error;
  if (bus_) bus_->forget_owner();
  // Perhaps inside the bus's own turn, or in a handler of a user: they go when that has ended.
  later([this, error] {
    base::log(base::LogLevel::kWarning, "bus", "the system bus is gone: {}",
              base::to_string(error));
    for (const User& user : users_) user.on_lost();
    bus_.reset();
    delay_ = kRetryFirst;
    if (retry_) retry_->set(io::now() + delay_);
  });
}

}  // namespace wakeline::sys
