// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "io/loop.h"
#include "io/unique_fd.h"
#include "linux/bus_service.h"
#include "linux/clock_jump.h"
#include "linux/system_bus.h"

namespace wakeline::sys {

/// The sleep of the machine: told before it begins where logind is (with a delay inhibitor, so that
/// what is due can still be done), and noticed after it ended everywhere.
/// Source: org.freedesktop.login1(5), systemd-inhibit(1).
class SleepWatch {
 public:
  struct Handlers {
    /// The machine will sleep when `let_sleep` was called, at the latest after `bound`. It comes
    /// once for each sleep, though elogind tells it twice.
    std::function<void(base::Duration bound)> on_prepare;
    /// It runs again (or does not sleep after all: zero). Once for each sleep.
    std::function<void(base::Duration slept)> on_resumed;
  };

  /// `bus` outlives it; before the loop runs. Errors: as ClockJump::create.
  static base::Result<std::unique_ptr<SleepWatch>> create(
      io::Loop& loop, SystemBus& bus, Handlers handlers,
      ClockJump::ReadAsleep read_asleep = nullptr);
  SleepWatch(const SleepWatch&) = delete;
  SleepWatch& operator=(const SleepWatch&) = delete;

  /// What was due before the sleep is done. Without an inhibitor, or a second time: nothing.
  void let_sleep() { inhibitor_.reset(); }
  bool holds_inhibitor() const { return static_cast<bool>(inhibitor_); }
  /// A line for people: who tells of a sleep, or what it is without.
  std::string describe() const;

 private:
  SleepWatch(SystemBus& bus, Handlers handlers) : bus_(bus), handlers_(std::move(handlers)) {}
  void connect(Bus& bus);
  void on_manager(bool there);
  void inhibit();
  void on_prepare_for_sleep(bool begins);
  void resumed(base::Duration slept);
  void say();

  SystemBus& bus_;
  Handlers handlers_;
  std::unique_ptr<ClockJump> jump_;
  std::unique_ptr<BusService> manager_;
  bool there_ = false;      ///< logind is on the bus
  bool preparing_ = false;  ///< between PrepareForSleep and the resume
  bool asked_ = false;      ///< Inhibit is under way
  io::UniqueFd inhibitor_;
  base::Duration delay_max_;
  std::optional<base::Error> refused_;  ///< why there is no inhibitor
  std::string said_;                    ///< to the log
};

}  // namespace wakeline::sys
