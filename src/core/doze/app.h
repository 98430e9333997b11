// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <optional>

#include "base/timer_table.h"
#include "core/doze/keep_alive.h"
#include "core/doze/limiter.h"
#include "core/doze/run_budget.h"
#include "core/doze/tags.h"
#include "core/doze/tasks.h"
#include "core/doze/types.h"
#include "core/doze/wake_requests.h"

namespace wakeline::doze {

/// As a line of the ledger tells a span.
inline std::int64_t whole_ms(Duration span) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(span).count();
}

/// The deadlines of one app; those due at once fire in this order.
enum class AppTimer : std::uint8_t {
  kKeepAliveBudget,
  kTaskWarning,
  kTaskExpiry,
  kKeepAlive,
  kWakeRequest,
  kRelaunch,
  kDelayedWake,
  kSuspendRetry,
  kWindow,
  kSample,
  kSlice,
  kPings,
  kReclaim,
  kCount
};

/// Why an app is being suspended.
enum class SuspendReason : std::uint8_t { kQuiet, kWindowOver, kKeepAliveOverrun, kSliceOver };
std::string_view name(SuspendReason);

/// A start that waits for the end of the app's old run.
struct Reopen {
  LaunchReason reason;
  bool foreground;
  friend bool operator==(const Reopen&, const Reopen&) = default;
};

/// A wake that the limiter holds back.
struct DelayedWake {
  WakeCause cause;
  TagId tag;
  friend bool operator==(const DelayedWake&, const DelayedWake&) = default;
};

/// What belongs to one run of an app and ends with it (C24).
struct Run {
  Instant launched_at{};
  bool foreground = false;  ///< what the user wants; `App::state` follows
  bool ending = false;      ///< Kill is out: nothing more is done with this run
  bool suspending = false;  ///< Suspend is out and not answered; the state is still kBackground
  bool watching = false;    ///< a Watch is out and no Unwatch after it
  SuspendReason suspend_reason = SuspendReason::kQuiet;
  int suspend_failures = 0;  ///< in a row
  Instant suspended_at{};
  std::optional<WakeCause> pending;  ///< came while suspending; resumes it as soon as it is frozen
  std::optional<DelayedWake> delayed;

  Instant window_end{};
  /// The window is a slice for the app's other sockets: it ends after that time, busy or not.
  bool slice = false;
  Instant slice_ended = base::kNever;  ///< the last one; kNever: there was none
  bool sampled = false;                ///< there was a sample since the app was last left alone
  Instant sampled_at{};
  Instant quiet_since{};  ///< valid where `sampled`
  Duration cpu{};         ///< at the last sample

  Tags tags;
  bool has_tagged = false;
  Tasks tasks;
  KeepAlive keep_alive;
  Instant keep_alive_owed = base::kNever;  ///< the deadline that an earlier host left
  WakeRequests wakes;
  int pings = 0;             ///< that wait in its sockets for a wake
  TagId ping_tag;            ///< the first one's
  bool up_for_wake = false;  ///< resumed for a wake request, and not asleep since
  bool audio = false;        ///< a session is active (C29)
  bool interrupted = false;  ///< by a cellular call
  Limiter limiter;

  friend bool operator==(const Run&, const Run&) = default;
};

/// What the machine knows of one app. The `doze_*.cc` files move it through its life.
struct App {
  AppId id;
  AppConfig config;
  AppState state = AppState::kStopped;
  bool closed = false;   ///< by the user: it stays away until the user starts it (C23)
  int quick_deaths = 0;  ///< in a row
  std::optional<Reopen> reopen;
  base::TimerTable<AppTimer> timers;
  Run run;
  RunBudget budget;         ///< C14
  WakeAllowance allowance;  ///< C40

  bool looked_at = false;  ///< counted in `Doze`'s pace
  /// As `Doze` has them in its indices.
  Instant indexed_deadline = base::kNever;
  Instant indexed_alarm = base::kNever;

  bool alive() const { return state != AppState::kStopped && state != AppState::kWaiting; }
  bool runs() const { return alive() && state != AppState::kStarting; }
  bool suspended() const { return state == AppState::kSuspended; }
  /// Runs in the background, without a suspension under way.
  bool awake() const { return state == AppState::kBackground && !run.suspending; }
  /// Something keeps it awake whatever its window says (C8).
  bool held() const { return run.tasks.open() || run.keep_alive.running || in_audio(); }
  bool in_audio() const { return run.audio && !run.interrupted; }
  /// What the budget of C14 counts: an audio session is what the user listens to.
  bool runs_on_budget() const { return state == AppState::kBackground && !in_audio(); }
  /// When its handler or the first of its wake requests is due.
  Instant alarm() const {
    return std::min(timers.at(AppTimer::kKeepAlive), timers.at(AppTimer::kWakeRequest));
  }

  friend bool operator==(const App&, const App&) = default;
};

}  // namespace wakeline::doze
