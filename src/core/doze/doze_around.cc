// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "core/doze/doze.h"

// What happens around the apps: the network, a cellular call, the machine's sleep, peers of their
// other sockets, memory (C18, C29–C31).
namespace wakeline::doze {

void Doze::on_network_changed(Instant now, Actions& out) {
  for (auto& [id, app] : apps_) {
    if (!app.config.voip || app.run.ending) continue;
    // An awake app was told by the driver; it gets the time to act on it.
    if (app.awake()) open_window(now, app, within_budget(now, app, profile_.wake_window));
    if (profile_.wake_on_network && app.run.suspending && !app.run.pending)
      app.run.pending = WakeCause::kNetwork;
    if (profile_.wake_on_network && app.suspended() && !app.run.delayed)
      wake(now, app, WakeCause::kNetwork, {}, out);
    settle(now, app);
  }
  publish_alarm(out);
}

void Doze::on_call_state(Instant now, CallState state, Actions& out) {
  call_ = state;
  const bool interrupts = state == CallState::kActive;
  for (auto& [id, app] : apps_) {
    Run& run = app.run;
    if (!run.audio || run.ending || std::exchange(run.interrupted, interrupts) == interrupts)
      continue;
    out.push(Ledger{id, LedgerEvent::kAudio, interrupts ? "interrupted" : "continued"});
    if (interrupts) {
      // Time to put its own call on hold.
      if (app.awake()) open_window(now, app, profile_.wake_window);
    } else if (app.suspended() && !stopping_) {
      resume(now, app, WakeCause::kCall, {}, out);
    } else if (run.suspending && !run.pending) {
      run.pending = WakeCause::kCall;
    }
    settle(now, app);
  }
  publish_alarm(out);
}

void Doze::on_ipc_pending(Instant now, AppId id, Actions& out) {
  App* app = lookup(id);
  // A wake that the limiter delays gives it time soon; a slice would take that wake's place.
  if (app == nullptr || !app->suspended() || app->run.ending || app->run.delayed || stopping_)
    return;
  const Instant ended = app->run.slice_ended;
  const Instant due = ended == base::kNever ? now : base::saturating_add(ended, profile_.ipc_gap);
  if (due <= now) {
    resume_for_slice(now, *app, out);
  } else {
    app->timers.set(AppTimer::kSlice, due);
  }
  finish(now, *app, out);
}

void Doze::on_ipc_data(Instant now, AppId id, Actions& out) {
  App* app = lookup(id);
  if (app == nullptr || !app->suspended() || app->run.ending || app->run.delayed || stopping_)
    return;
  wake(now, *app, WakeCause::kIpc, {}, out);
  settle(now, *app);
  if (app->awake()) ride(now, out);
  publish_alarm(out);
}

void Doze::on_prepare_for_sleep(Instant now, Actions& out) {
  preparing_ = true;
  if (!stopping_) serve_alarms(now, base::kNever, out);
  publish_alarm(out);
}

void Doze::on_system_resumed(Instant now, Actions& out) {
  preparing_ = false;
  if (!stopping_) serve_alarms(now, base::kNever, out);
  on_deadline(now, out);
}

/// The machine waits for handlers that run, and for apps that were woken as they had asked.
void Doze::publish_sleep_ready(Actions& out) {
  if (!preparing_) return;
  const bool busy = std::ranges::any_of(apps_, [this](const auto& entry) {
    const App& app = entry.second;
    return app.alive() && !app.run.ending && !stopping_ &&
           (app.run.keep_alive.running || app.run.up_for_wake ||
            app.run.pending == WakeCause::kKeepAlive || app.run.pending == WakeCause::kWakeRequest);
  });
  if (busy) return;
  preparing_ = false;
  out.push(SleepReady{});
}

/// Of an app that may sleep already, and whose config has changed in that.
void Doze::plan_reclaim(Instant now, App& app) {
  if (!app.config.reclaim || !app.suspended()) return app.timers.clear(AppTimer::kReclaim);
  const Instant due = base::saturating_add(app.run.suspended_at, profile_.reclaim_after);
  app.timers.set(AppTimer::kReclaim, std::max(now, due));
}

std::optional<Instant> Doze::suspended_since(AppId id) const {
  const App* app = find(id);
  if (app == nullptr || !app->suspended()) return std::nullopt;
  return app->run.suspended_at;
}

}  // namespace wakeline::doze
