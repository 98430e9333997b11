// SPDX-License-Identifier: Apache-2.0
#include "linux/sleep_watch.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include "base/log.h"
#include "io/clock.h"

namespace wakeline::sys {
namespace {

using base::LogLevel;

constexpr const char* kLogind = "org.freedesktop.login1";
constexpr const char* kLogindPath = "/org/freedesktop/login1";
constexpr const char* kManager = "org.freedesktop.login1.Manager";
// InhibitDelayMaxSec of logind.conf(5), where it is not told.
constexpr base::Duration kDelayDefault = std::chrono::seconds(5);

}  // namespace

base::Result<std::unique_ptr<SleepWatch>> SleepWatch::create(io::Loop& loop, SystemBus& bus,
                                                             Handlers handlers,
                                                             ClockJump::ReadAsleep read_asleep) {
  std::unique_ptr<SleepWatch> watch(new SleepWatch(bus, std::move(handlers)));
  watch->delay_max_ = kDelayDefault;
  auto* self = watch.get();
  if (!read_asleep) read_asleep = io::time_asleep;
  auto jump = ClockJump::create(
      loop, [self](base::Duration slept) { self->resumed(slept); }, std::move(read_asleep));
  if (!jump) return base::fail(jump.error());
  watch->jump_ = std::move(*jump);
  bus.add({.on_connected = [self](Bus& connected) { self->connect(connected); },
           .on_lost =
               [self] {
                 self->manager_.reset();
                 self->on_manager(false);
               }});
  return watch;
}

void SleepWatch::connect(Bus& bus) {
  manager_ = std::make_unique<BusService>(bus, kLogind, [this](bool there) { on_manager(there); });
  manager_->on_signal(kLogindPath, kManager, "PrepareForSleep", [this](sd_bus_message* message) {
    int begins = 0;
    if (::sd_bus_message_read(message, "b", &begins) >= 0) on_prepare_for_sleep(begins != 0);
  });
}

void SleepWatch::on_manager(bool there) {
  there_ = there;
  asked_ = false;
  if (!there) {
    // The inhibitor died with the one who gave it.
    inhibitor_.reset();
    preparing_ = false;
    say();
    return;
  }
  manager_->get(kLogindPath, kManager, "InhibitDelayMaxUSec",
                [this](sd_bus_message* answer, base::Error) {
                  std::int64_t microseconds = 0;
                  if (answer == nullptr || !read_variant(answer, microseconds)) return;
                  if (microseconds > 0) delay_max_ = std::chrono::microseconds(microseconds);
                });
  inhibit();
}

void SleepWatch::inhibit() {
  if (inhibitor_ || asked_ || !there_) return;
  asked_ = true;
  manager_->call(
      kLogindPath, kManager, "Inhibit",
      [](sd_bus_message* message) {
        return ::sd_bus_message_append(message, "ssss", "sleep", "Wakeline",
                                       "keep-alive handlers that are due run before the sleep",
                                       "delay");
      },
      [this](sd_bus_message* answer, base::Error error) {
        asked_ = false;
        int fd = -1;
        if (answer != nullptr && ::sd_bus_message_read(answer, "h", &fd) >= 0) {
          inhibitor_.reset(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
          if (!inhibitor_) error = base::os_error("inhibitor", errno);
        }
        refused_.reset();
        if (!inhibitor_) refused_ = error;
        say();
      });
}

void SleepWatch::on_prepare_for_sleep(bool begins) {
  if (begins) {
    if (std::exchange(preparing_, true)) return;
    jump_->look();  // an earlier sleep that nobody told of
    preparing_ = true;
    handlers_.on_prepare(inhibitor_ ? delay_max_ : base::Duration::zero());
    return;
  }
  // The clocks may have told it already.
  if (!jump_->look() && preparing_) resumed(base::Duration::zero());
  inhibit();
}

void SleepWatch::resumed(base::Duration slept) {
  preparing_ = false;
  handlers_.on_resumed(slept);
}

// Once for each way in which it is noticed.
void SleepWatch::say() {
  std::string line = describe();
  if (line == said_) return;
  said_ = std::move(line);
  base::log(LogLevel::kInfo, "sleep", "of the machine: {}", said_);
}

std::string SleepWatch::describe() const {
  if (there_ && inhibitor_) {
    return fmt::format("told by logind, and may be delayed by {} s",
                       std::chrono::duration_cast<std::chrono::seconds>(delay_max_).count());
  }
  if (there_ && refused_) {
    return "told by logind, without delay: " + base::to_string(*refused_);
  }
  if (there_) return "told by logind";
  const auto missing = bus_.missing();
  return fmt::format("noticed when it is over, by the clocks; no logind{}",
                     missing ? ": " + base::to_string(*missing) : "");
}

}  // namespace wakeline::sys
