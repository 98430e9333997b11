// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>

#include "core/doze/app.h"
#include "core/doze/types.h"

// The words and lines of actions: stable, they are in the ledger and in bug reports.
namespace wakeline::doze {
namespace {

/// The word of an enumerator; `words` has one for each, in their order.
template <class Enum, std::size_t kWords>
std::string_view word(const std::array<std::string_view, kWords>& words, Enum value) {
  const auto i = static_cast<std::size_t>(value);
  WL_CHECK_MSG(i < kWords, "value={}", i);
  return words[i];
}

constexpr std::array<std::string_view, static_cast<std::size_t>(LedgerEvent::kCount)>
    kLedgerEvents = {"launch",
                     "exit",
                     "tag",
                     "untag",
                     "refuse",
                     "suspend",
                     "suspend_failed",
                     "wake",
                     "wake_delayed",
                     "keep_alive",
                     "keep_alive_overrun",
                     "task_begin",
                     "task_end",
                     "task_expired",
                     "foreground",
                     "background",
                     "kill",
                     "relaunch_delayed",
                     "closed",
                     "notify",
                     "audio",
                     "wake_request",
                     "run_budget",
                     "pings"};
constexpr std::array<std::string_view, 6> kKillReasons = {"closed_by_user", "tasks_expired",
                                                          "wake_limit",     "keep_alive_overrun",
                                                          "removed",        "exits_on_suspend"};
constexpr std::array<std::string_view, 4> kSocketEvents = {"data", "end", "error", "doubt"};
constexpr std::array<std::string_view, 2> kWatchModes = {"level", "edge"};
constexpr std::array<std::string_view, 4> kSuspendReasons = {"quiet", "window_over",
                                                             "keep_alive_overrun", "slice_over"};

/// In the largest unit that is exact.
std::string text(Duration span) {
  constexpr std::int64_t kMicro = 1'000;
  constexpr std::int64_t kMilli = 1'000'000;
  constexpr std::int64_t kSecond = 1'000'000'000;
  const std::int64_t ns = span.count();
  if (ns % kSecond == 0) return fmt::format("{}s", ns / kSecond);
  if (ns % kMilli == 0) return fmt::format("{}ms", ns / kMilli);
  if (ns % kMicro == 0) return fmt::format("{}us", ns / kMicro);
  return fmt::format("{}ns", ns);
}
std::string text(Instant at) { return at == base::kNever ? "never" : text(at.time_since_epoch()); }

struct Line {
  std::string operator()(const Launch& a) const {
    return fmt::format("launch app={} reason={}", a.app.value, name(a.reason));
  }
  std::string operator()(const Sample& a) const {
    return fmt::format("sample app={}", a.app.value);
  }
  std::string operator()(const Suspend& a) const {
    return fmt::format("suspend app={}", a.app.value);
  }
  std::string operator()(const Watch& a) const {
    return fmt::format("watch app={} tag={} mode={} bytes={}", a.app.value, a.tag.value,
                       name(a.mode), a.bytes);
  }
  std::string operator()(const Unwatch& a) const {
    return fmt::format("unwatch app={}", a.app.value);
  }
  std::string operator()(const Resume& a) const {
    return fmt::format("resume app={} cause={} tag={} window={}", a.app.value, name(a.cause),
                       a.tag.value, text(a.window));
  }
  std::string operator()(const RunKeepAlive& a) const {
    return fmt::format("run_keep_alive app={} budget={}", a.app.value, text(a.budget));
  }
  std::string operator()(const ExpireTask& a) const {
    return fmt::format("expire_task app={} task={} left={}", a.app.value, a.task.value,
                       text(a.left));
  }
  std::string operator()(const RunWake& a) const {
    return fmt::format("run_wake app={} wake={}", a.app.value, a.wake.value);
  }
  std::string operator()(const Reclaim& a) const {
    return fmt::format("reclaim app={}", a.app.value);
  }
  std::string operator()(const SleepReady&) const { return "sleep_ready"; }
  std::string operator()(const TellState& a) const {
    return fmt::format("tell_state app={} state={}", a.app.value, name(a.state));
  }
  std::string operator()(const Kill& a) const {
    return fmt::format("kill app={} reason={} politely={}", a.app.value, name(a.reason),
                       a.politely);
  }
  std::string operator()(const SetAlarm& a) const {
    return fmt::format("set_alarm earliest={} latest={}", text(a.earliest), text(a.latest));
  }
  std::string operator()(const Ledger& a) const {
    return fmt::format("ledger app={} event={} reason={} value={}", a.app.value, name(a.event),
                       a.reason, a.value);
  }
};

}  // namespace

std::string_view name(LedgerEvent event) { return word(kLedgerEvents, event); }
std::string_view name(KillReason reason) { return word(kKillReasons, reason); }
std::string_view name(SocketEvent event) { return word(kSocketEvents, event); }
std::string_view name(WatchMode mode) { return word(kWatchModes, mode); }
std::string_view name(SuspendReason reason) { return word(kSuspendReasons, reason); }

std::string to_line(const Action& action) { return std::visit(Line{}, action); }

}  // namespace wakeline::doze
