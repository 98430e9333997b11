// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "core/doze/doze.h"

// When something is due, and the machine's alarm (C18).
namespace wakeline::doze {
namespace {

/// Actions that must have room before one more app's deadlines fire: every app's keep-alive at
/// once, and the tasks of one app.
constexpr std::size_t kRoomNeeded = 6 * kAppsMax + 4 * kTasksMax;
static_assert(kRoomNeeded < Actions::kMaxSize);

}  // namespace

void Doze::on_deadline(Instant now, Actions& out) {
  while (deadlines_.next() <= now && out.size() + kRoomNeeded < Actions::kMaxSize) {
    App& app = *lookup(deadlines_.first());
    const auto timer = app.timers.pop(now);
    WL_CHECK_MSG(timer.has_value(), "app={}", app.id.value);
    fire(now, app, *timer, out);
  }
  publish_alarm(out);
}

void Doze::on_system_resumed(Instant now, Actions& out) {
  run_open_keep_alives(now, out);
  on_deadline(now, out);
}

void Doze::fire(Instant now, App& app, AppTimer timer, Actions& out) {
  switch (timer) {
    case AppTimer::kKeepAliveBudget:
      overrun_keep_alive(now, app, out);
      break;
    case AppTimer::kTaskWarning:
      warn_tasks(now, app, out);
      break;
    case AppTimer::kTaskExpiry:
      expire_tasks(now, app, out);
      break;
    case AppTimer::kKeepAlive:
      run_open_keep_alives(now, out);
      break;
    case AppTimer::kRelaunch:
      launch(app, LaunchReason::kCrash, false, out);
      break;
    case AppTimer::kDelayedWake: {
      const DelayedWake wake = *app.run.delayed;
      resume(now, app, wake.cause, wake.tag, out);
      break;
    }
    case AppTimer::kSuspendRetry:
      break;  // settle() begins the quiet check anew
    case AppTimer::kWindow:
      suspend(now, app, SuspendReason::kWindowOver, out);
      break;
    case AppTimer::kSample:
      out.push(Sample{app.id});
      break;
    case AppTimer::kCount:
      break;
  }
  // What was due at the same moment does not fire into what it changed.
  settle(now, app);
}

void Doze::settle(Instant now, App& app) {
  if (app.run.ending || stopping_) app.timers.clear_all();
  refresh_sampling(now, app);
  const Instant deadline = app.timers.next();
  deadlines_.move(app.id, std::exchange(app.indexed_deadline, deadline), deadline);
  const Instant keep_alive = app.timers.at(AppTimer::kKeepAlive);
  keep_alives_.move(app.id, std::exchange(app.indexed_keep_alive, keep_alive), keep_alive);
}

void Doze::publish_alarm(Actions& out) {
  SetAlarm alarm{base::kNever, base::kNever};
  if (!keep_alives_.empty())
    alarm = {find(keep_alives_.first())->run.keep_alive.earliest(profile_), keep_alives_.next()};
  if (alarm == alarm_) return;
  alarm_ = alarm;
  out.push(alarm);
}

}  // namespace wakeline::doze
