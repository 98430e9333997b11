// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "core/doze/backoff.h"
#include "core/doze/doze.h"

// How an app is found quiet, suspended, watched and woken (C8–C13).
namespace wakeline::doze {
namespace {

/// CPU time that still counts as quiet, in percent of the time between two samples. Origin: a
/// program at rest has timers of its own (a 60 Hz tick of 50 µs is 0.3 %), which must not keep it
/// awake; work worth waiting for takes more, or brings bytes, or is under a background task.
constexpr int kQuietCpuPercent = 1;

/// A freeze that failed is tried again after these delays, doubling: it hangs on the machine
/// (a process in uninterruptible sleep), which no sampling mends.
constexpr Duration kSuspendRetryFirst = std::chrono::seconds(1);
constexpr Duration kSuspendRetryMax = std::chrono::seconds(60);

/// Whether a wake counts in the limiter: those that the user or the host wants do not.
bool counts(WakeCause cause) {
  switch (cause) {
    case WakeCause::kSocketData:
    case WakeCause::kSocketEnd:
    case WakeCause::kSocketError:
    case WakeCause::kNetwork:
    case WakeCause::kKeepAlive:
    case WakeCause::kWakeRequest:
    case WakeCause::kIpc:
      return true;
    default:
      return false;
  }
}

/// Whether the app took more CPU time since its last sample than one at rest.
bool worked(const Run& run, Instant now, Duration cpu) {
  return (cpu - run.cpu) * 100 > (now - run.sampled_at) * kQuietCpuPercent;
}

}  // namespace

LookNeeds Doze::look_needs(Instant now, AppId id, Duration cpu) const {
  const App* app = find(id);
  if (app == nullptr || !app->timers.is_set(AppTimer::kWindow)) return {};
  const Run& run = app->run;
  // A slice lasts as long as it lasts, and the first look finds no app quiet.
  if (run.slice || !run.sampled) return {.sockets = true};
  if (worked(run, now, cpu)) return {.sockets = true, .busy = true};
  // An app that did not run has read nothing. What lies there unread is seen by the last look, or
  // right after the freeze.
  const bool last = now - run.quiet_since >= quiet_needed() || now >= run.window_end;
  if (cpu == run.cpu && !last) return {};
  return {.sockets = true, .threads = true};
}

void Doze::on_sample(Instant now, AppId id, const Reading& reading, Actions& out) {
  pace_.took(reading.took);
  App* app = lookup(id);
  // Something holds it, or it sleeps: the sample was on its way when that began.
  if (app == nullptr || !app->timers.is_set(AppTimer::kWindow)) return;
  if (app->run.slice) return end_slice(now, *app, reading, out);
  Run& run = app->run;
  const bool first = !run.sampled;
  const bool data = run.tags.update(reading) && !first;
  const bool busy = reading.busy || worked(run, now, reading.cpu);
  run.sampled = true;
  run.sampled_at = now;
  run.cpu = reading.cpu;
  if (data) {
    // As long as the budget lasts, each answer of the server prolongs the window (C14).
    const Duration window = std::min(profile_.wake_window, app->budget.left(now, profile_));
    run.window_end = std::max(run.window_end, base::saturating_add(now, window));
    app->timers.set(AppTimer::kWindow, run.window_end);
    run.tasks.refill();
  }
  if (!data && now >= run.window_end) {
    end_window(now, *app, out);  // this was the last look
  } else if (first || data || busy) {
    run.quiet_since = now;
  } else if (now - run.quiet_since >= quiet_needed() &&
             (!app->config.voip || run.tags.has_line())) {
    // Without a line a voip app is likely on its way to one: it gets its whole window (C35).
    suspend(now, *app, SuspendReason::kQuiet, out);
  }
  if (!run.suspending) look_later(now, *app);
  finish(now, *app, out);
}

void Doze::on_suspended(Instant now, AppId id, const Reading& reading, Actions& out) {
  App* app = lookup(id);
  if (app == nullptr || !app->run.suspending) return;
  Run& run = app->run;
  run.suspending = false;
  run.suspend_failures = 0;
  const bool wakes_anyway = stopping_ || run.ending || run.foreground || run.pending || app->held();
  if (reading.busy && run.suspend_reason == SuspendReason::kQuiet && now < run.window_end &&
      !wakes_anyway) {
    return take_back_suspension(now, *app, out);
  }
  run.suspended_at = now;
  run.up_for_wake = false;
  app->state = AppState::kSuspended;
  out.push(Ledger{id, LedgerEvent::kSuspend, std::string(name(run.suspend_reason))});

  const auto unheard = run.tags.update_frozen(reading, run.sampled, profile_.wake_on_end);
  if (stopping_) {
    resume(now, *app, WakeCause::kHostStopping, {}, out);
  } else if (run.ending) {
    // SIGKILL ends a frozen app; a polite end needs a running one.
    if (app->closed) resume(now, *app, WakeCause::kControl, {}, out);
  } else if (run.foreground) {
    resume(now, *app, WakeCause::kForeground, {}, out);
  } else if (run.pending && run.pending != WakeCause::kNetwork) {
    resume(now, *app, *run.pending, {}, out);
  } else if (app->held()) {
    // Before a wake that might be delayed.
    resume(now, *app, WakeCause::kTask, {}, out);
  } else if (run.pending) {
    wake(now, *app, WakeCause::kNetwork, {}, out);
  } else if (unheard) {
    wake(now, *app, unheard->cause, unheard->tag, out);
  } else {
    watch(*app, out);
    if (app->config.reclaim)
      app->timers.set(AppTimer::kReclaim, base::saturating_add(now, profile_.reclaim_after));
  }
  finish(now, *app, out);
}

/// It has asked something since the last look, so it was not quiet after all: its window goes on,
/// and it gets the answer awake.
void Doze::take_back_suspension(Instant now, App& app, Actions& out) {
  out.push(Resume{app.id, WakeCause::kNone, {}, app.run.window_end - now});
  out.push(
      Ledger{app.id, LedgerEvent::kSuspendFailed, std::string(base::name(base::ErrorCode::kBusy))});
  app.run.quiet_since = now;
  app.timers.set(AppTimer::kWindow, app.run.window_end);
  look_later(now, app);
  finish(now, app, out);
}

/// The time of the slice is over: the app sleeps on, unless bytes of a tagged socket came
/// meanwhile, which make the slice a wake of its own (C9).
void Doze::end_slice(Instant now, App& app, const Reading& reading, Actions& out) {
  Run& run = app.run;
  const bool data = run.tags.update(reading);
  run.slice = false;
  run.slice_ended = now;
  if (data) {
    run.limiter.record(now, profile_);
    out.push(Ledger{app.id, LedgerEvent::kWake, std::string(name(WakeCause::kSocketData)),
                    run.limiter.count(now, profile_)});
    open_window(now, app, within_budget(now, app, profile_.wake_window));
  } else {
    // What comes between this look and the freeze wakes at once (C11).
    run.sampled = true;
    run.sampled_at = now;
    run.cpu = reading.cpu;
    suspend(now, app, SuspendReason::kSliceOver, out);
  }
  finish(now, app, out);
}

void Doze::on_suspend_failed(Instant now, AppId id, base::Error error, Actions& out) {
  App* app = lookup(id);
  if (app == nullptr || !app->run.suspending) return;
  Run& run = app->run;
  run.suspending = false;
  out.push(
      Ledger{id, LedgerEvent::kSuspendFailed, std::string(base::name(error.code)), error.os_error});
  const Duration delay = doubled(kSuspendRetryFirst, run.suspend_failures, kSuspendRetryMax);
  run.suspend_failures = std::min(run.suspend_failures + 1, kDoublingsMax);
  app->timers.set(AppTimer::kSuspendRetry, base::saturating_add(now, delay));
  run.pending.reset();
  if (!run.ending && !stopping_) {
    if (run.foreground) enter_foreground(*app, out);
    if (run.keep_alive.latest <= now) run_keep_alive(now, *app, "due", out);
    if (run.wakes.latest() <= now) run_wakes(now, *app, false, out);
    set_wake_timer(*app);
  }
  finish(now, *app, out);
}

void Doze::on_socket_event(Instant now, AppId id, TagId tag, SocketEvent event, Actions& out) {
  App* app = lookup(id);
  if (app == nullptr || !app->run.watching) return;
  Tag* tagged = app->run.tags.find(tag);
  if (tagged == nullptr) return;
  if (event == SocketEvent::kData) {
    wake(now, *app, WakeCause::kSocketData, tag, out);
  } else if (event == SocketEvent::kDoubt) {
    // It can bring data yet, and is watched on.
    if (profile_.wake_on_end) wake(now, *app, WakeCause::kSocketError, tag, out);
  } else {
    tagged->ended = true;
    tagged->end_heard = true;
    if (profile_.wake_on_end) {
      wake(now, *app, event == SocketEvent::kEnd ? WakeCause::kSocketEnd : WakeCause::kSocketError,
           tag, out);
    } else {
      // It would be ready for ever: watch the others without it.
      unwatch(*app, out);
      watch(*app, out);
    }
  }
  settle(now, *app);
  if (app->awake()) ride(now, out);
  publish_alarm(out);
}

void Doze::on_pings(Instant now, AppId id, TagId tag, Actions& out) {
  App* app = lookup(id);
  if (app == nullptr || !app->run.watching || app->run.tags.find(tag) == nullptr) return;
  if (app->config.merge_pings == Duration::zero()) {
    return on_socket_event(now, id, tag, SocketEvent::kData, out);
  }
  if (app->run.pings++ == 0) {
    app->run.ping_tag = tag;
    app->timers.set(AppTimer::kPings, base::saturating_add(now, app->config.merge_pings));
  }
  finish(now, *app, out);
}

Duration Doze::quiet_needed() const { return std::max(profile_.linger, profile_.sample_interval); }

bool Doze::may_sleep(const App& app) const {
  return app.awake() && !app.run.ending && !stopping_ && !app.held() &&
         !app.timers.is_set(AppTimer::kSuspendRetry);
}

/// The least time that an app is given to be found quiet.
Duration Doze::window_least() const { return 2 * quiet_needed() + profile_.sample_interval; }

/// A window gets shorter towards the end of the app's running time (C14), and is never taken.
Duration Doze::within_budget(Instant now, const App& app, Duration window) const {
  return std::min(window, std::max(app.budget.left(now, profile_), window_least()));
}

/// The app may be awake until now + length; from here on it is found quiet anew.
void Doze::open_window(Instant now, App& app, Duration length) {
  app.run.slice = false;
  app.run.window_end = base::saturating_add(now, length);
  app.timers.clear(AppTimer::kWindow);
  app.timers.clear(AppTimer::kSample);
}

/// Samples while nothing but its window keeps an app awake, and only then (C12).
void Doze::refresh_sampling(Instant now, App& app) {
  if (!may_sleep(app)) {
    app.run.slice = false;
    app.timers.clear(AppTimer::kWindow);
    app.timers.clear(AppTimer::kSample);
    return;
  }
  if (app.timers.is_set(AppTimer::kWindow)) return;
  if (app.run.slice) return app.timers.set(AppTimer::kWindow, app.run.window_end);
  // What held the app may have outlasted its window; still it is left the time to be found quiet.
  app.run.window_end = std::max(app.run.window_end, base::saturating_add(now, window_least()));
  app.run.sampled = false;
  app.run.sampled_at = now;
  app.timers.set(AppTimer::kWindow, app.run.window_end);
  look_later(now, app);
}

/// As long as it is quiet, after twice the time: what an app does between two looks is in its
/// counters, and a look too few costs it a short quiet time awake.
void Doze::look_later(Instant now, App& app) {
  Duration after = pace_.interval(profile_);
  const Duration quiet = app.run.sampled ? now - app.run.quiet_since : Duration::zero();
  if (quiet < quiet_needed()) after = std::max(after, std::min(quiet, quiet_needed() - quiet));
  app.timers.set(AppTimer::kSample, base::saturating_add(now, after));
}

/// The window is over, whatever the app does.
void Doze::end_window(Instant now, App& app, Actions& out) {
  if (app.budget.take_used_up(now, profile_))
    out.push(Ledger{app.id, LedgerEvent::kRunBudget, "used_up",
                    std::chrono::duration_cast<std::chrono::seconds>(profile_.run_budget).count()});
  suspend(now, app, SuspendReason::kWindowOver, out);
}

void Doze::suspend(Instant now, App& app, SuspendReason reason, Actions& out) {
  if (app.config.exits_on_suspend) {
    app.closed = true;  // it ended by its own rule: the user starts it again, or the next boot
    end_run(now, app, KillReason::kExitsOnSuspend, out);
    return;
  }
  app.run.suspending = true;
  app.run.suspend_reason = reason;
  out.push(Suspend{app.id});
}

/// Wakes a suspended app for something that the limiter may delay (C13).
void Doze::wake(Instant now, App& app, WakeCause cause, TagId tag, Actions& out) {
  auto verdict = app.run.limiter.ask(now, now - app.run.suspended_at, profile_);
  const Duration wait = app.budget.wait(now, window_least(), profile_);
  if (verdict.action != LimitAction::kKill && wait > Duration::zero())
    verdict = {LimitAction::kDelay, std::max(verdict.delay, wait)};
  switch (verdict.action) {
    case LimitAction::kNone:
      resume(now, app, cause, tag, out);
      return;
    case LimitAction::kKill:
      end_run(now, app, KillReason::kWakeLimit, out);
      return;
    case LimitAction::kDelay:
      // A watched socket would report the same data again and again.
      unwatch(app, out);
      app.run.pending.reset();
      app.run.delayed = DelayedWake{cause, tag};
      app.timers.set(AppTimer::kDelayedWake, base::saturating_add(now, verdict.delay));
      out.push(Ledger{app.id, LedgerEvent::kWakeDelayed, std::string(name(cause)),
                      whole_ms(verdict.delay)});
      return;
  }
}

void Doze::resume(Instant now, App& app, WakeCause cause, TagId tag, Actions& out) {
  const bool handler = cause == WakeCause::kKeepAlive;
  const Duration window =
      handler ? profile_.keep_alive_budget : within_budget(now, app, profile_.wake_window);
  if (counts(cause)) app.run.limiter.record(now, profile_);
  run_again(now, app, cause, tag, window, out);
}

/// No wake that counts: it runs a moment for its other sockets.
void Doze::resume_for_slice(Instant now, App& app, Actions& out) {
  run_again(now, app, WakeCause::kIpc, {}, profile_.ipc_slice, out);
  app.run.slice = may_sleep(app);
}

void Doze::run_again(Instant now, App& app, WakeCause cause, TagId tag, Duration window,
                     Actions& out) {
  unwatch(app, out);
  app.timers.clear(AppTimer::kDelayedWake);
  app.timers.clear(AppTimer::kPings);
  if (const int pings = std::exchange(app.run.pings, 0); pings > 0)
    out.push(Ledger{app.id, LedgerEvent::kPings, "merged", pings});
  app.run.delayed.reset();
  app.run.pending.reset();
  app.run.tasks.refill();
  app.state = AppState::kBackground;
  app.run.up_for_wake = cause == WakeCause::kWakeRequest;

  const bool unlimited = cause == WakeCause::kForeground || cause == WakeCause::kHostStopping ||
                         cause == WakeCause::kControl;
  out.push(Resume{app.id, cause, tag, unlimited ? Duration::zero() : window});
  out.push(Ledger{app.id, LedgerEvent::kWake, std::string(name(cause)),
                  app.run.limiter.count(now, profile_)});
  if (app.run.foreground) enter_foreground(app, out);
  open_window(now, app, window);
  if (app.run.keep_alive.is_open(now, profile_) && !app.run.ending && !stopping_) {
    const bool due = app.run.keep_alive.latest <= now;
    run_keep_alive(now, app,
                   due                              ? "due"
                   : cause == WakeCause::kKeepAlive ? "merged"
                                                    : "shared",
                   out);
  }
  if (app.run.wakes.has_open(now) && !app.run.ending && !stopping_)
    run_wakes(now, app, cause != WakeCause::kWakeRequest, out);
}

void Doze::enter_foreground(App& app, Actions& out) {
  app.state = AppState::kForeground;
  app.run.up_for_wake = false;
  app.run.tasks.stop_pool();
  app.timers.clear(AppTimer::kTaskWarning);
  app.timers.clear(AppTimer::kTaskExpiry);
  app.timers.clear(AppTimer::kSuspendRetry);
  app.run.suspend_failures = 0;
  out.push(TellState{app.id, AppState::kForeground});
  out.push(Ledger{app.id, LedgerEvent::kForeground, "user"});
}

void Doze::watch(App& app, Actions& out) {
  for (const Tag& tag : app.run.tags) {
    if (tag.ended) continue;
    app.run.watching = true;
    out.push(Watch{app.id, tag.id, tag.has_rest ? WatchMode::kEdge : WatchMode::kLevel, tag.bytes});
  }
}

void Doze::unwatch(App& app, Actions& out) {
  if (!std::exchange(app.run.watching, false)) return;
  out.push(Unwatch{app.id});
}

}  // namespace wakeline::doze
