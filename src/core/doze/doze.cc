// SPDX-License-Identifier: Apache-2.0
#include "core/doze/doze.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/doze/backoff.h"

// The life of an app: installed, launched, ended, launched again.
namespace wakeline::doze {
namespace {

/// Apps of the boot that are launched at once, and the pause after them: a launch takes a
/// millisecond of the host, and a thousand in a row would leave the first apps unserved for
/// seconds.
constexpr int kBootLaunches = 8;
constexpr Duration kBootPause = std::chrono::milliseconds(1);

}  // namespace

App* Doze::lookup(AppId id) {
  const auto it = apps_.find(id);
  return it == apps_.end() ? nullptr : &it->second;
}
const App* Doze::find(AppId id) const {
  const auto it = apps_.find(id);
  return it == apps_.end() ? nullptr : &it->second;
}

AppState Doze::state(AppId id) const {
  const App* app = find(id);
  return app == nullptr ? AppState::kStopped : app->state;
}

base::Result<AppId> Doze::add_app(AppConfig config) {
  for (const auto& [id, app] : apps_)
    if (app.config.name == config.name)
      return base::fail(base::ErrorCode::kAlreadyExists, "add_app");
  if (apps_.size() >= kAppsMax) return base::fail(base::ErrorCode::kTooLarge, "add_app");
  const AppId id{next_id_++};
  App& app = apps_[id];
  app.id = id;
  app.config = std::move(config);
  return id;
}

void Doze::remove_app(Instant now, AppId id, Actions& out) {
  App* app = lookup(id);
  if (app == nullptr) return;
  if (app->alive() && !app->run.ending) end_run(now, *app, KillReason::kRemoved, out);
  unwatch(*app, out);
  app->timers.clear_all();
  app->run = {};
  app->state = AppState::kStopped;
  settle(now, *app);
  apps_.erase(id);
  publish_alarm(out);
}

void Doze::set_config(Instant now, AppId id, AppConfig config, Actions& out) {
  App* app = lookup(id);
  if (app == nullptr) return;
  const bool voip = config.voip;
  const bool voip_given = voip && !app->config.voip;
  const bool reclaim = config.reclaim;
  if (!config.audio && app->run.audio) std::ignore = on_audio_session(now, id, false, out);
  if (!voip && app->runs()) {
    cancel_wakes(now, id, out);
    if (app->run.keep_alive.is_set()) {
      std::ignore = set_keep_alive(now, id, Duration::zero(), out);
    }
    unwatch(*app, out);
    app->run.tags = {};
  }
  config.name = std::move(app->config.name);
  if (std::exchange(app->config, std::move(config)).reclaim != reclaim) plan_reclaim(now, *app);
  if (voip_given) await_tags(now, *app, out);
  finish(now, *app, out);
}

/// The app has to tag what may wake it, and needs to run for that.
void Doze::await_tags(Instant now, App& app, Actions& out) {
  if (app.run.ending) return;
  if (app.suspended()) {
    resume(now, app, WakeCause::kControl, {}, out);
  } else if (app.run.suspending) {
    app.run.pending = WakeCause::kControl;
    return;
  }
  if (app.awake()) open_window(now, app, std::max(profile_.wake_window, kAdoptionWindow));
}

void Doze::on_boot(Instant now, Actions& out, const std::vector<AppId>& resting) {
  boot_.clear();
  for (const auto& [id, app] : apps_)
    if (app.config.voip && !app.alive() && !app.closed &&
        std::ranges::find(resting, id) == resting.end())
      boot_.push_back(id);
  std::ranges::reverse(boot_);  // the next one is at the end
  go_on_with_boot(now, out);
}

/// Launches some more of the apps of the boot; the next ones in a moment, so that those that run
/// already are served meanwhile.
void Doze::go_on_with_boot(Instant now, Actions& out) {
  for (int launched = 0; launched < kBootLaunches && !boot_.empty();) {
    App* app = lookup(boot_.back());
    boot_.pop_back();
    if (app == nullptr || app->alive() || app->closed) continue;
    launch(*app, LaunchReason::kBoot, false, out);
    settle(now, *app);
    ++launched;
  }
  boot_due_ = boot_.empty() ? base::kNever : base::saturating_add(now, kBootPause);
}

void Doze::on_launch_wanted(Instant now, AppId id, LaunchReason reason, Actions& out) {
  App* app = lookup(id);
  if (app == nullptr) return;
  if (!app->alive()) {
    launch(*app, reason, false, out);
  } else if (app->run.ending) {
    app->reopen = Reopen{reason, false};
  } else {
    app->closed = false;
  }
  finish(now, *app, out);
}

void Doze::on_foreground(Instant now, AppId id, Actions& out) {
  App* app = lookup(id);
  if (app == nullptr) return;
  if (!app->alive()) {
    launch(*app, LaunchReason::kUser, true, out);
  } else if (app->run.ending) {
    app->reopen = Reopen{LaunchReason::kUser, true};
  } else if (!std::exchange(app->run.foreground, true)) {
    app->closed = false;
    if (app->suspended()) resume(now, *app, WakeCause::kForeground, {}, out);
    if (app->awake()) enter_foreground(*app, out);
  }
  finish(now, *app, out);
}

void Doze::on_background(Instant now, AppId id, Actions& out) {
  App* app = lookup(id);
  if (app == nullptr || app->run.ending || !std::exchange(app->run.foreground, false)) return;
  if (app->state == AppState::kForeground) {
    app->state = AppState::kBackground;
    out.push(TellState{id, AppState::kBackground});
    out.push(Ledger{id, LedgerEvent::kBackground, "user"});
    open_window(now, *app, profile_.wake_window);
    start_task_pool(now, *app);
  }
  finish(now, *app, out);
}

void Doze::on_close_wanted(Instant now, AppId id, Actions& out) {
  App* app = lookup(id);
  if (app == nullptr) return;
  app->closed = true;
  app->reopen.reset();
  out.push(Ledger{id, LedgerEvent::kClosed, "user"});
  if (app->state == AppState::kWaiting) {
    app->timers.clear(AppTimer::kRelaunch);
    app->state = AppState::kStopped;
  } else if (app->alive() && app->state != AppState::kStarting && !app->run.ending) {
    end_run(now, *app, KillReason::kClosedByUser, out);
  }
  finish(now, *app, out);
}

void Doze::on_notification_action(Instant now, AppId id, Actions& out) {
  App* app = lookup(id);
  if (app == nullptr) return;
  out.push(Ledger{id, LedgerEvent::kNotify, "action"});
  if (!app->alive()) {
    launch(*app, LaunchReason::kNotification, false, out);
  } else if (app->run.ending) {
    app->reopen = Reopen{LaunchReason::kNotification, false};
  } else if (app->suspended()) {
    resume(now, *app, WakeCause::kNotification, {}, out);
  } else if (app->run.suspending) {
    app->run.pending = WakeCause::kNotification;
  } else if (app->awake()) {
    open_window(now, *app, profile_.wake_window);
  }
  finish(now, *app, out);
}

void Doze::on_attention_wanted(Instant now, AppId id, Actions& out) {
  App* app = lookup(id);
  if (app == nullptr || app->run.ending) return;
  if (app->suspended()) {
    resume(now, *app, WakeCause::kControl, {}, out);
  } else if (app->run.suspending) {
    app->run.pending = WakeCause::kControl;
  } else if (app->awake()) {
    open_window(now, *app, profile_.wake_window);
  }
  finish(now, *app, out);
}

void Doze::on_host_stopping(Instant now, Actions& out) {
  stopping_ = true;
  boot_.clear();
  boot_due_ = base::kNever;
  for (auto& [id, app] : apps_) {
    if (app.suspended()) resume(now, app, WakeCause::kHostStopping, {}, out);
    if (app.state == AppState::kWaiting) app.state = AppState::kStopped;
    settle(now, app);
  }
  publish_alarm(out);
}

void Doze::on_launched(Instant now, AppId id, Actions& out) {
  App* app = lookup(id);
  if (app == nullptr || app->state != AppState::kStarting) return;
  begin_run(now, *app);
  if (app->closed) end_run(now, *app, KillReason::kClosedByUser, out);
  finish(now, *app, out);
}

void Doze::on_launch_failed(Instant now, AppId id, Actions& out) {
  App* app = lookup(id);
  if (app == nullptr || app->state != AppState::kStarting) return;
  out.push(Ledger{id, LedgerEvent::kExit, "launch_failed"});
  app->timers.clear_all();
  app->run = {};
  app->state = AppState::kStopped;
  // What could not be started will not start a moment later either: no launch at once.
  app->quick_deaths = std::max(app->quick_deaths, 1);
  if (app->config.voip && app->config.relaunch && !app->closed && !stopping_) {
    app->run.launched_at = now;
    relaunch_after_death(now, *app, out);
  }
  finish(now, *app, out);
}

void Doze::on_adopted(Instant now, AppId id, Actions& out, const Earlier& earlier) {
  App* app = lookup(id);
  if (app == nullptr || app->alive()) return;
  app->timers.clear_all();
  app->run = {};
  app->closed = earlier.closed;
  app->run.foreground = earlier.foreground;
  app->run.keep_alive_owed = earlier.keep_alive_latest;
  app->run.limiter = Limiter(earlier.limiter);
  app->budget = RunBudget(earlier.budget, profile_);
  app->allowance = WakeAllowance(earlier.allowance);
  owe_wakes(*app, earlier.wakes);
  out.push(Ledger{id, LedgerEvent::kLaunch, std::string(name(LaunchReason::kAdopted))});
  begin_run(now, *app);
  if (app->closed)
    end_run(now, *app, KillReason::kClosedByUser, out);
  else if (!earlier.foreground)
    open_window(now, *app, std::max(profile_.wake_window, kAdoptionWindow));
  finish(now, *app, out);
}

void Doze::on_found_ended(AppId id, const Earlier& earlier) {
  App* app = lookup(id);
  if (app == nullptr || app->alive()) return;
  app->closed = earlier.closed;
  app->budget = RunBudget(earlier.budget, profile_);
  app->allowance = WakeAllowance(earlier.allowance);
}

Earlier Doze::for_next_host(AppId id) const {
  const App* app = find(id);
  if (app == nullptr) return {};
  // The rest is the run's, and ended with it.
  if (!app->alive()) {
    Earlier used;
    used.closed = app->closed;
    used.budget = app->budget.past();
    used.allowance = app->allowance.past();
    return used;
  }
  const Run& run = app->run;
  return {.foreground = run.foreground,
          .closed = app->closed,
          .keep_alive_latest = std::min(run.keep_alive.latest, run.keep_alive_owed),
          .wakes = run.wakes.windows(),
          .limiter = run.limiter.past(),
          .budget = app->budget.past(),
          .allowance = app->allowance.past()};
}

void Doze::on_exited(Instant now, AppId id, ExitStatus status, Actions& out) {
  App* app = lookup(id);
  if (app == nullptr || !app->alive()) return;
  unwatch(*app, out);
  const bool failed = !status.known || status.signaled || status.code != 0;
  const char* reason = !status.known      ? "unknown"
                       : status.signaled  ? "signal"
                       : status.code != 0 ? "status"
                                          : "ok";
  out.push(Ledger{id, LedgerEvent::kExit, reason, status.known ? status.code : 0});

  const Instant launched_at = app->state == AppState::kStarting ? now : app->run.launched_at;
  app->timers.clear_all();
  app->run = {};
  app->run.launched_at = launched_at;
  app->state = AppState::kStopped;
  if (app->reopen) {
    const Reopen reopen = *std::exchange(app->reopen, std::nullopt);
    launch(*app, reopen.reason, reopen.foreground, out);
  } else if (app->config.voip && app->config.relaunch && failed && !app->closed && !stopping_) {
    // Of an unknown status the worse is taken: a start too many harms less than a missed call.
    relaunch_after_death(now, *app, out);
  }
  finish(now, *app, out);
}

void Doze::launch(App& app, LaunchReason reason, bool foreground, Actions& out) {
  if (stopping_) return;
  app.timers.clear_all();
  app.run = {};
  app.run.foreground = foreground;
  app.closed = false;
  if (reason != LaunchReason::kCrash) app.quick_deaths = 0;
  app.state = AppState::kStarting;
  out.push(Launch{app.id, reason});
  out.push(Ledger{app.id, LedgerEvent::kLaunch, std::string(name(reason))});
}

void Doze::begin_run(Instant now, App& app) {
  app.run.launched_at = now;
  if (app.run.foreground) {
    app.state = AppState::kForeground;
    return;
  }
  app.state = AppState::kBackground;
  const bool tags = app.config.voip && app.config.tags_itself;
  open_window(now, app,
              tags ? std::max(profile_.launch_window, profile_.wake_window) : profile_.wake_window);
  start_task_pool(now, app);
}

void Doze::relaunch_after_death(Instant now, App& app, Actions& out) {
  const bool quick = now - app.run.launched_at < profile_.relaunch_quick;
  app.quick_deaths = quick ? std::min(app.quick_deaths + 1, kDoublingsMax) : 0;
  if (app.quick_deaths <= 1) {
    launch(app, LaunchReason::kCrash, false, out);
    return;
  }
  const Duration delay =
      doubled(profile_.relaunch_first, app.quick_deaths - 2, profile_.relaunch_max);
  app.state = AppState::kWaiting;
  app.timers.set(AppTimer::kRelaunch, now + delay);
  out.push(Ledger{app.id, LedgerEvent::kRelaunchDelayed, "quick_death", whole_ms(delay)});
}

/// Ends the processes: by the user politely, which needs a running app; otherwise at once.
void Doze::end_run(Instant now, App& app, KillReason reason, Actions& out) {
  const bool politely =
      reason == KillReason::kClosedByUser || reason == KillReason::kExitsOnSuspend;
  app.run.ending = true;
  app.run.foreground = false;
  if (politely && app.suspended()) resume(now, app, WakeCause::kControl, {}, out);
  unwatch(app, out);
  app.run.delayed.reset();
  app.run.up_for_wake = false;
  out.push(Kill{app.id, reason, politely});
  out.push(Ledger{app.id, LedgerEvent::kKill, std::string(name(reason))});
}

}  // namespace wakeline::doze
