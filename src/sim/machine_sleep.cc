// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/check.h"
#include "sim/machine.h"
#include "sim/server.h"

// How apps, and the whole device, sleep and wake; what is checked of it.
namespace wakeline::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kFreezeMin = microseconds(10);
constexpr Duration kFreezeMax = milliseconds(5);
/// A freeze that failed is tried again within this (doze: doubling up to a minute).
constexpr Duration kFreezeRetry = seconds(65);
/// A watch that reports so often for one suspension spins.
constexpr int kEventsOfOneWatchMax = 20;
/// Bytes lie unread no longer in a suspended app's socket, the limiter and the machine's own sleep
/// apart.
constexpr Duration kUnreadMax = seconds(1);

}  // namespace

doze::Reading Machine::read(Slot& s) {
  doze::Reading reading{.tags = {}, .cpu = s.process->cpu()};
  for (const auto& [tag, connection] : s.tags) {
    const End& end = connection->client;
    if (end.closed) continue;
    reading.tags.push_back({.tag = tag,
                            .bytes = end.received,
                            .unread = static_cast<std::uint32_t>(end.unread.size()),
                            .ended = end.ended});
  }
  return reading;
}

void Machine::suspend(Slot& s) {
  kernel_.after(
      random_.between(kFreezeMin, kFreezeMax), [this, &s, process = s.process, run = host_run_] {
        if (run != host_run_ || s.process != process || process->dead()) return;
        if (random_.chance(1, 200)) {
          s.allowance.grant(kernel_.now(), kFreezeRetry);
          event("suspend_failed", [&](doze::Actions& out) {
            doze_.on_suspend_failed(here(), s.id, {base::ErrorCode::kTimeout, "freeze", 0}, out);
          });
          return;
        }
        if (bug_ != Bug::kNeverFreezes) process->freeze();
        show(s);
        note_unread(s);
        host_later("suspended", [this, &s, process](doze::Actions& out) {
          if (s.process == process && !process->dead())
            doze_.on_suspended(here(), s.id, read(s), out);
        });
      });
}

void Machine::resume(Slot& s, const doze::Resume& resume) {
  ++wakes_;
  s.allowance.grant(kernel_.now(),
                    resume.window > Duration::zero() ? resume.window : profile_.wake_window);
  kernel_.after(random_.between(microseconds(5), microseconds(100)),
                [this, &s, process = s.process, cause = resume.cause] {
                  if (s.process != process || process->dead()) return;
                  thaw(s);
                  process->on_woken(cause);
                });
}

void Machine::thaw(Slot& s) {
  if (s.unread_since != base::kNever && !s.delayed)
    unread_max_ = std::max(unread_max_, kernel_.now() - s.unread_since);
  s.unread_since = base::kNever;
  s.delayed = false;
  s.process->thaw();
  show(s);
}

void Machine::note_unread(Slot& s) {
  if (s.unread_since != base::kNever || !s.process->frozen()) return;
  for (const auto& [tag, connection] : s.tags)
    if (!connection->client.closed && !connection->client.unread.empty())
      s.unread_since = kernel_.now();
  if (s.unread_since != base::kNever)
    kernel_.after(kUnreadMax + milliseconds(1), [this, &s] { check(s); });
}

void Machine::socket_changed(const ProcessPtr& process, link::AttemptId attempt) {
  Slot& s = slot(process->place().app);
  if (s.process != process || process->dead()) return;
  if (!process->frozen()) {
    // New data gives a new window (C9).
    s.allowance.grant(kernel_.now(), profile_.wake_window);
    process->on_readable(attempt);
    return;
  }
  note_unread(s);
  const auto socket = process->sockets().find(attempt);
  if (socket == process->sockets().end() || !socket->second.tag) return;
  look(s, *socket->second.tag);
}

/// What epoll would say of a watched socket now.
void Machine::look(Slot& s, doze::TagId tag) {
  const auto watched = s.watched.find(tag);
  if (watched == s.watched.end() || bug_ == Bug::kLosesReadiness) return;
  const auto socket = s.tags.find(tag);
  if (socket == s.tags.end()) return;
  const End& end = socket->second->client;
  const bool data = watched->second.mode == doze::WatchMode::kLevel
                        ? !end.unread.empty()
                        : end.received > watched->second.bytes;
  if (!data && !end.ended) return;
  if (++watched->second.events > kEventsOfOneWatchMax) {
    judge_.violation(fmt::format("C11: a watched socket of {} spins", app_name(s.app)));
    return;
  }
  const auto what = data        ? doze::SocketEvent::kData
                    : end.reset ? doze::SocketEvent::kError
                                : doze::SocketEvent::kEnd;
  kernel_.after(
      random_.between(microseconds(2), microseconds(50)), [this, &s, tag, what, run = host_run_] {
        if (run != host_run_ || !s.watched.contains(tag)) return;
        event("socket",
              [&](doze::Actions& out) { doze_.on_socket_event(here(), s.id, tag, what, out); });
        // Level-triggered: what is not dealt with is said again.
        const auto still = s.watched.find(tag);
        if (still != s.watched.end() && still->second.mode == doze::WatchMode::kLevel) look(s, tag);
      });
}

// --- what must hold after every event

void Machine::check(Slot& s) {
  if (!s.process || s.process->dead() || !host_up_ || asleep_ || waking_) return;
  const Instant now = kernel_.now();
  const bool frozen = s.process->frozen();
  if (!frozen && s.allowance.overstays(now)) {
    judge_.violation(fmt::format("C8: {} runs outside its windows", app_name(s.app)));
    s.allowance.grant(now, std::chrono::hours(1));  // once is enough
  }
  if (s.allowance.keep_alive_is_late(now)) {
    judge_.violation(fmt::format("C15: no keep-alive of {} in time", app_name(s.app)));
    s.allowance.set_keep_alive(now, Duration::zero());
  }
  if (frozen && s.unread_since != base::kNever && !s.delayed && now > s.unread_since + kUnreadMax) {
    judge_.violation(fmt::format("C11: {} is left suspended with unread data", app_name(s.app)));
    s.unread_since = base::kNever;
  }
  if (s.process->backlog() > kBacklogMax)
    judge_.violation(fmt::format("{} events wait for {}", s.process->backlog(), app_name(s.app)));
  check_later(s);
}

/// Looks again when the next promise is due, should nothing happen until then.
void Machine::check_later(Slot& s) {
  Instant next = s.allowance.due();
  if (!s.process->frozen() && !s.allowance.open_ended()) next = std::min(next, s.allowance.until());
  if (next == base::kNever) return;
  next += milliseconds(1);
  if (next <= kernel_.now() || (s.check_at > kernel_.now() && s.check_at <= next)) return;
  s.check_at = next;
  kernel_.at(next, [this, &s, next] {
    if (s.check_at == next) check(s);
  });
}

// --- the device's own sleep

bool Machine::may_sleep() const {
  if (!powered_ || !host_up_ || asleep_ || waking_ || busy_ > 0) return false;
  if (host_hears_ > kernel_.now()) return false;
  return std::ranges::all_of(slots_, [this](const auto& item) {
    const Slot& s = item.second;
    const doze::AppState state = doze_.state(s.id);
    return state == doze::AppState::kSuspended || state == doze::AppState::kStopped;
  });
}

void Machine::consider_sleep() {
  if (model_.sleep.after == Duration::zero() || !may_sleep()) return;
  kernel_.after(model_.sleep.after, [this, rest = rest_] {
    if (rest == rest_ && may_sleep()) fall_asleep();
  });
}

void Machine::fall_asleep() {
  if (kernel_.tracing()) kernel_.trace(name_, "the machine sleeps");
  asleep_ = true;
  network_.set_asleep(machine_, true);
  story_.system.enter(kernel_.now(), static_cast<std::uint8_t>(SystemLane::kAsleep));
  set_system_alarm();
}

/// The machine's own alarm, early by the time that waking takes.
void Machine::set_system_alarm() {
  if (!asleep_ || !model_.sleep.wakes_on_alarm || alarm_.latest == base::kNever) return;
  const Instant at = alarm_.latest + booted_at_.time_since_epoch() - model_.sleep.resume;
  kernel_.at(at, [this, latest = alarm_.latest] {
    if (asleep_ && alarm_.latest == latest) wake_up("alarm");
  });
}

/// The machine is woken, and runs a moment later. Nothing when it is awake.
void Machine::wake_up(const char* why) {
  if (!asleep_) return;
  if (kernel_.tracing()) kernel_.trace(name_, fmt::format("the machine wakes: {}", why));
  asleep_ = false;
  waking_ = true;
  ++rest_;
  kernel_.after(model_.sleep.resume, [this, run = host_run_] {
    waking_ = false;
    if (run != host_run_) return;
    story_.system.enter(kernel_.now(), static_cast<std::uint8_t>(SystemLane::kRunning));
    network_.set_asleep(machine_, false);
    event("system_resumed", [&](doze::Actions& out) { doze_.on_system_resumed(here(), out); });
  });
}

// --- for the report

void Machine::show(Slot& s) {
  AppLane life = AppLane::kStopped;
  if (s.process && !s.process->dead())
    life = s.process->frozen() ? AppLane::kSuspended
           : s.foreground      ? AppLane::kForeground
                               : AppLane::kAwake;
  s.story.life.enter(kernel_.now(), static_cast<std::uint8_t>(life));
}

}  // namespace wakeline::sim
