// SPDX-License-Identifier: Apache-2.0
#include <utility>
#include <vector>

#include "core/doze/doze.h"

// What must run at a certain time, with the fewest wakes of the machine: keep-alive handlers and
// wake requests (C15–C18, C40).
namespace wakeline::doze {
namespace {

using base::ErrorCode;

}  // namespace

/// Calls the handler of a running app; the next deadline counts from here.
void Doze::run_keep_alive(Instant now, App& app, std::string_view reason, Actions& out) {
  KeepAlive& keep_alive = app.run.keep_alive;
  const Duration early = std::max(keep_alive.latest - now, Duration::zero());
  keep_alive.restart(now);
  app.timers.set(AppTimer::kKeepAlive, keep_alive.latest);
  if (keep_alive.running) return;  // the run that still lasts serves this deadline too
  keep_alive.running = true;
  app.run.tasks.refill();
  app.timers.set(AppTimer::kKeepAliveBudget, base::saturating_add(now, profile_.keep_alive_budget));
  out.push(RunKeepAlive{app.id, profile_.keep_alive_budget});
  out.push(Ledger{app.id, LedgerEvent::kKeepAlive, std::string(reason), whole_ms(early)});
}

void Doze::end_keep_alive_budget(Instant now, App& app, Duration late, Actions& out) {
  if (late < kLate) return overrun_keep_alive(now, app, out);
  const Duration more = std::min(late, profile_.keep_alive_budget);
  app.timers.set(AppTimer::kKeepAliveBudget, base::saturating_add(now, more));
}

/// The handler took longer than its budget (C17).
void Doze::overrun_keep_alive(Instant now, App& app, Actions& out) {
  app.run.keep_alive.running = false;
  out.push(Ledger{app.id, LedgerEvent::kKeepAliveOverrun,
                  profile_.keep_alive_overrun_kills ? "killed" : "suspended",
                  whole_ms(profile_.keep_alive_budget)});
  if (profile_.keep_alive_overrun_kills) {
    end_run(now, app, KillReason::kKeepAliveOverrun, out);
  } else if (may_sleep(app)) {
    suspend(now, app, SuspendReason::kKeepAliveOverrun, out);
  }
}

/// Tells a running app of its wake requests that are open. `rides`: on a wake of something else,
/// which costs the app nothing.
void Doze::run_wakes(Instant now, App& app, bool rides, Actions& out) {
  const auto open = app.run.wakes.take_open(now);
  for (const auto& [wake, latest, owed] : open) {
    const bool due = latest <= now;
    if (!owed) out.push(RunWake{app.id, wake});
    out.push(Ledger{app.id, LedgerEvent::kWakeRequest,
                    due     ? "due"
                    : rides ? "shared"
                            : "merged",
                    whole_ms(std::max(latest - now, Duration::zero()))});
  }
  if (rides) app.allowance.give_back(open.size());
  set_wake_timer(app);
}

void Doze::set_wake_timer(App& app) {
  app.timers.set(AppTimer::kWakeRequest, app.run.wakes.latest());
}

/// Wakes that an earlier host has granted. The app asks for them again as soon as it finds this
/// host; one that does not is woken all the same, and finds its time come by its own clock.
void Doze::owe_wakes(App& app, const std::vector<WakeRequests::Window>& wakes) {
  if (profile_.wakes_per_day == 0 || !app.config.voip) return;
  for (const auto& window : wakes) {
    if (app.run.wakes.size() < kWakesMax) app.run.wakes.add_owed(WakeId{next_id_++}, window);
  }
  set_wake_timer(app);
}

/// Runs what is open of one app, which it wakes for that. Returns: whether anything was.
bool Doze::serve(Instant now, App& app, Actions& out) {
  const bool handler = app.run.keep_alive.is_open(now, profile_);
  const bool request = app.run.wakes.has_open(now);
  if (!handler && !request) return false;
  const bool due = app.run.keep_alive.latest <= now || app.run.wakes.latest() <= now;
  const WakeCause cause = handler ? WakeCause::kKeepAlive : WakeCause::kWakeRequest;
  if (app.suspended()) {
    resume(now, app, cause, {}, out);
  } else if (!app.run.suspending) {
    if (handler) run_keep_alive(now, app, app.run.keep_alive.latest <= now ? "due" : "merged", out);
    if (request) {
      run_wakes(now, app, true, out);
      if (app.awake()) open_window(now, app, profile_.wake_window);
    }
  } else if (due) {
    // It runs when the answer to Suspend comes. A wake for the network might be delayed.
    app.timers.clear(AppTimer::kKeepAlive);
    app.timers.clear(AppTimer::kWakeRequest);
    if (app.run.pending != WakeCause::kNotification) app.run.pending = cause;
  } else {
    return false;
  }
  settle(now, app);
  return true;
}

/// The machine is awake: runs what is due up to `horizon`, and of the rest what would need another
/// wake before the next one that is needed anyway (C18). Each alarm has a window and all are taken
/// in the order of their ends, so no choice of instants keeps them with fewer wakes (interval
/// stabbing); what a later wake can serve waits for it, so that handlers run no more often.
void Doze::serve_alarms(Instant now, Instant horizon, Actions& out) {
  const std::vector<std::pair<Instant, AppId>> alarms(alarms_.begin(), alarms_.end());
  Instant next = base::kNever;
  bool served = false;
  for (const auto& [latest, id] : alarms) {
    if (latest > horizon && (!served || latest >= next)) break;
    App& app = *lookup(id);
    served |= serve(now, app, out);
    next = std::min(next, app.alarm());
  }
}

/// Another app has just been woken: what is due soon shares that wake of the machine.
void Doze::ride(Instant now, Actions& out) {
  const Instant horizon = base::saturating_add(now, profile_.alarm_ride);
  if (!stopping_ && alarms_.next() <= horizon) serve_alarms(now, horizon, out);
}

base::Result<WakeId> Doze::request_wake(Instant now, AppId id, Duration earliest, Duration latest,
                                        Actions& out) {
  constexpr const char* kWhere = "request_wake";
  App* app = lookup(id);
  if (app == nullptr || !app->runs()) return base::fail(ErrorCode::kNotFound, kWhere);
  const auto refused = [&](ErrorCode code) {
    out.push(Ledger{id, LedgerEvent::kRefuse, std::string(base::name(code))});
    return base::fail(code, kWhere);
  };
  if (profile_.wakes_per_day == 0) return refused(ErrorCode::kNotAllowed);
  if (!app->config.voip) return refused(ErrorCode::kNotDeclared);
  if (earliest < Duration::zero() || latest < earliest) return refused(ErrorCode::kInvalidArgument);
  WakeRequests& wakes = app->run.wakes;
  const WakeId wake{next_id_++};
  const Instant first = base::saturating_add(now, earliest);
  const Instant last = base::saturating_add(now, latest);
  // What an earlier host has granted is granted: it costs nothing again.
  const bool again = wakes.take_over(wake, first, last);
  if (!again) {
    if (wakes.full()) return refused(ErrorCode::kTooLarge);
    if (!app->allowance.take(now, profile_.wakes_per_day)) return refused(ErrorCode::kOverBudget);
    wakes.add(wake, first, last);
  }
  set_wake_timer(*app);
  out.push(Ledger{id, LedgerEvent::kWakeRequest, again ? "asked_again" : "asked",
                  static_cast<std::int64_t>(wake.value)});
  finish(now, *app, out);
  return wake;
}

base::Result<void> Doze::cancel_wake(Instant now, AppId id, WakeId wake, Actions& out) {
  App* app = lookup(id);
  if (app == nullptr || !app->run.wakes.remove(wake))
    return base::fail(ErrorCode::kNotFound, "cancel_wake");
  app->allowance.give_back(1);
  set_wake_timer(*app);
  out.push(
      Ledger{id, LedgerEvent::kWakeRequest, "cancelled", static_cast<std::int64_t>(wake.value)});
  finish(now, *app, out);
  return {};
}

void Doze::cancel_wakes(Instant now, AppId id, Actions& out) {
  App* app = lookup(id);
  if (app == nullptr || app->run.wakes.size() == 0) return;
  app->allowance.give_back(app->run.wakes.clear());
  set_wake_timer(*app);
  out.push(Ledger{id, LedgerEvent::kWakeRequest, "cancelled"});
  finish(now, *app, out);
}

}  // namespace wakeline::doze
