// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "core/doze/doze.h"

// When something is due, and the machine's alarm (C18).
namespace wakeline::doze {
namespace {

/// Actions that must have room before one more app's deadlines fire: every app's keep-alive at
/// once, and the tasks of one app.
constexpr std::size_t kRoomNeeded = (6 + 2 * kWakesMax) * kAppsMax + 4 * kTasksMax;
static_assert(kRoomNeeded < Actions::kMaxSize);

/// Looks and suspensions of one event: each takes a tenth of a millisecond and more, and a wake
/// must not wait for those of a thousand apps.
constexpr int kLooksAtOnce = 8;

}  // namespace

void Doze::on_deadline(Instant now, Actions& out) {
  int looks = 0;
  while (deadlines_.next() <= now && out.size() + kRoomNeeded < Actions::kMaxSize &&
         looks < kLooksAtOnce) {
    App& app = *lookup(deadlines_.first());
    const Duration late = now - app.timers.next();
    const auto timer = app.timers.pop(now);
    WL_CHECK_MSG(timer.has_value(), "app={}", app.id.value);
    looks += *timer == AppTimer::kSample || *timer == AppTimer::kWindow;
    fire(now, app, *timer, late, out);
  }
  if (boot_due_ <= now) go_on_with_boot(now, out);
  publish_alarm(out);
}

void Doze::fire(Instant now, App& app, AppTimer timer, Duration late, Actions& out) {
  switch (timer) {
    case AppTimer::kKeepAliveBudget:
      end_keep_alive_budget(now, app, late, out);
      break;
    case AppTimer::kTaskWarning:
      warn_tasks(now, app, late, out);
      break;
    case AppTimer::kTaskExpiry:
      expire_tasks(now, app, out);
      break;
    case AppTimer::kKeepAlive:
    case AppTimer::kWakeRequest:
      serve_alarms(now, now, out);
      break;
    case AppTimer::kRelaunch:
      launch(app, LaunchReason::kCrash, false, out);
      break;
    case AppTimer::kDelayedWake: {
      const DelayedWake wake = *app.run.delayed;
      resume(now, app, wake.cause, wake.tag, out);
      settle(now, app);
      ride(now, out);
      break;
    }
    case AppTimer::kSuspendRetry:
      break;  // settle() begins the quiet check anew
    case AppTimer::kWindow:
      // Bytes since a look that is long ago prolong the window (C14), or make the slice a wake.
      if (app.run.slice || now - app.run.sampled_at > profile_.sample_interval) {
        // The answer ends it; the timer is set again should none come.
        app.timers.set(AppTimer::kWindow, base::saturating_add(now, profile_.sample_interval));
        out.push(Sample{app.id});
        break;
      }
      end_window(now, app, out);
      break;
    case AppTimer::kSlice:
      resume_for_slice(now, app, out);
      break;
    case AppTimer::kPings:
      wake(now, app, WakeCause::kSocketData, app.run.ping_tag, out);
      settle(now, app);
      if (app.awake()) ride(now, out);
      break;
    case AppTimer::kReclaim:
      out.push(Reclaim{app.id});
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
  if (!app.suspended()) {
    app.timers.clear(AppTimer::kSlice);
    app.timers.clear(AppTimer::kPings);
    app.timers.clear(AppTimer::kReclaim);
  }
  const bool looked_at = app.timers.is_set(AppTimer::kWindow) && !app.run.slice;
  if (std::exchange(app.looked_at, looked_at) != looked_at) {
    looked_at ? pace_.begin() : pace_.end();
  }
  app.budget.update(now, app.runs_on_budget(), profile_);
  const Instant deadline = app.timers.next();
  deadlines_.move(app.id, std::exchange(app.indexed_deadline, deadline), deadline);
  const Instant alarm = app.alarm();
  alarms_.move(app.id, std::exchange(app.indexed_alarm, alarm), alarm);
}

void Doze::publish_alarm(Actions& out) {
  SetAlarm alarm{base::kNever, base::kNever};
  if (!alarms_.empty()) {
    const App& app = *find(alarms_.first());
    const bool handler = app.timers.at(AppTimer::kKeepAlive) == alarms_.next();
    alarm = {handler ? app.run.keep_alive.earliest(profile_) : app.run.wakes.earliest(),
             alarms_.next()};
  }
  if (alarm != alarm_) {
    alarm_ = alarm;
    out.push(alarm);
  }
  publish_sleep_ready(out);
}

}  // namespace wakeline::doze
