// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "base/timer_table.h"
#include "core/doze/keep_alive.h"
#include "core/doze/limiter.h"
#include "core/doze/tags.h"
#include "core/doze/tasks.h"
#include "core/doze/types.h"

namespace wakeline::doze {

/// The deadlines of one app; those due at once fire in this order.
enum class AppTimer : std::uint8_t {
  kKeepAliveBudget,
  kTaskWarning,
  kTaskExpiry,
  kKeepAlive,
  kRelaunch,
  kDelayedWake,
  kSuspendRetry,
  kWindow,
  kSample,
  kCount
};

/// Why an app is being suspended.
enum class SuspendReason : std::uint8_t { kQuiet, kWindowOver, kKeepAliveOverrun };
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
  bool sampled = false;  ///< there was a sample since the app was last left alone
  Instant sampled_at{};
  Instant quiet_since{};  ///< valid where `sampled`
  Duration cpu{};         ///< at the last sample

  Tags tags;
  Tasks tasks;
  KeepAlive keep_alive;
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

  /// As `Doze` has them in its indices.
  Instant indexed_deadline = base::kNever;
  Instant indexed_keep_alive = base::kNever;

  bool alive() const { return state != AppState::kStopped && state != AppState::kWaiting; }
  bool runs() const { return alive() && state != AppState::kStarting; }
  bool suspended() const { return state == AppState::kSuspended; }
  /// Runs in the background, without a suspension under way.
  bool awake() const { return state == AppState::kBackground && !run.suspending; }
  /// Something keeps it awake whatever its window says (C8).
  bool held() const { return run.tasks.open() || run.keep_alive.running; }

  friend bool operator==(const App&, const App&) = default;
};

}  // namespace wakeline::doze
