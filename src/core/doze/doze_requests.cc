// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "core/doze/doze.h"

// What an app asks for: tags, background tasks, the keep-alive handler, an audio session
// (C1, C4–C6, C15, C16, C20, C21, C29).
namespace wakeline::doze {
namespace {

using base::ErrorCode;

std::unexpected<base::Error> refuse(AppId app, ErrorCode code, const char* where, Actions& out) {
  out.push(Ledger{app, LedgerEvent::kRefuse, std::string(base::name(code))});
  return base::fail(code, where);
}

std::int64_t as_value(std::uint64_t id) { return static_cast<std::int64_t>(id); }

}  // namespace

base::Result<TagId> Doze::tag(Instant now, AppId id, Actions& out) {
  constexpr const char* kWhere = "tag";
  App* app = lookup(id);
  if (app == nullptr || !app->runs()) return base::fail(ErrorCode::kNotFound, kWhere);
  if (!app->config.voip) return refuse(id, ErrorCode::kNotDeclared, kWhere, out);
  Run& run = app->run;
  if (run.tags.size() >= kTagsMax) return refuse(id, ErrorCode::kTooLarge, kWhere, out);
  const TagId tag{next_id_++};
  const bool first = !std::exchange(run.has_tagged, true);
  run.tags.add(tag);
  // The window of the launch is over with it; of a wake there is as much left as there was.
  const Instant window_end = base::saturating_add(now, profile_.wake_window);
  if (first && app->awake() && run.window_end > window_end)
    open_window(now, *app, profile_.wake_window);
  out.push(Ledger{id, LedgerEvent::kTag, run.tags.size() == 1 ? "tagged" : "more_than_one",
                  as_value(tag.value)});
  // The request was on its way when the app was frozen.
  if (app->suspended() && !run.ending && !run.delayed) {
    run.watching = true;
    out.push(Watch{id, tag, WatchMode::kLevel, 0});
  }
  finish(now, *app, out);
  return tag;
}

void Doze::on_tag_refused(Instant, AppId id, ErrorCode error, Actions& out) {
  if (lookup(id) == nullptr) return;
  out.push(Ledger{id, LedgerEvent::kRefuse, std::string(base::name(error))});
}

base::Result<void> Doze::untag(Instant now, AppId id, TagId tag, Actions& out) {
  App* app = lookup(id);
  if (app == nullptr || !app->run.tags.remove(tag))
    return base::fail(ErrorCode::kNotFound, "untag");
  out.push(Ledger{id, LedgerEvent::kUntag, "untagged", as_value(tag.value)});
  if (app->run.watching) {
    unwatch(*app, out);
    watch(*app, out);
  }
  finish(now, *app, out);
  return {};
}

void Doze::on_tag_gone(Instant now, AppId id, TagId tag, Actions& out) {
  App* app = lookup(id);
  if (app == nullptr || !app->run.tags.remove(tag)) return;
  out.push(Ledger{id, LedgerEvent::kUntag, "gone", as_value(tag.value)});
  finish(now, *app, out);
}

bool Doze::has_tag(AppId id, TagId tag) const {
  const App* app = find(id);
  return app != nullptr && app->run.tags.find(tag) != nullptr;
}

base::Result<TaskId> Doze::begin_task(Instant now, AppId id, Actions& out) {
  constexpr const char* kWhere = "begin_task";
  App* app = lookup(id);
  if (app == nullptr || !app->runs()) return base::fail(ErrorCode::kNotFound, kWhere);
  Tasks& tasks = app->run.tasks;
  if (tasks.size() >= kTasksMax) return refuse(id, ErrorCode::kTooLarge, kWhere, out);
  if (tasks.pool_end() <= now) return refuse(id, ErrorCode::kBusy, kWhere, out);
  const TaskId task{next_id_++};
  tasks.begin(task);
  out.push(Ledger{id, LedgerEvent::kTaskBegin, "begun", as_value(task.value)});
  if (app->state == AppState::kBackground || app->suspended()) start_task_pool(now, *app);
  // The request was on its way when the app was frozen.
  if (app->suspended() && !app->run.ending) resume(now, *app, WakeCause::kTask, {}, out);
  finish(now, *app, out);
  return task;
}

base::Result<void> Doze::end_task(Instant now, AppId id, TaskId task, Actions& out) {
  App* app = lookup(id);
  if (app == nullptr || !app->run.tasks.end(task))
    return base::fail(ErrorCode::kNotFound, "end_task");
  out.push(Ledger{id, LedgerEvent::kTaskEnd, "ended", as_value(task.value)});
  if (!app->run.tasks.open()) {
    app->timers.clear(AppTimer::kTaskWarning);
    app->timers.clear(AppTimer::kTaskExpiry);
  }
  finish(now, *app, out);
  return {};
}

std::optional<Duration> Doze::background_time_remaining(Instant now, AppId id) const {
  const App* app = find(id);
  if (app == nullptr || !app->runs()) return Duration::zero();
  if (app->run.foreground) return std::nullopt;
  const Instant end = app->run.tasks.pool_end();
  if (end == base::kNever) return profile_.task_pool;
  return std::max(end - now, Duration::zero());
}

/// Where tasks are open, their common time runs from now on, if it does not run yet.
void Doze::start_task_pool(Instant now, App& app) {
  Tasks& tasks = app.run.tasks;
  if (!tasks.open()) return;
  tasks.start_pool(base::saturating_add(now, profile_.task_pool));
  app.timers.set(AppTimer::kTaskWarning, std::max(now, tasks.pool_end() - profile_.task_warning));
  app.timers.set(AppTimer::kTaskExpiry, tasks.pool_end());
}

void Doze::warn_tasks(Instant now, App& app, Duration late, Actions& out) {
  if (late >= kLate) {
    app.run.tasks.extend_pool(base::saturating_add(now, profile_.task_warning));
    app.timers.set(AppTimer::kTaskExpiry, app.run.tasks.pool_end());
  }
  const Duration left = std::max(app.run.tasks.pool_end() - now, Duration::zero());
  for (const TaskId task : app.run.tasks.take_unwarned()) out.push(ExpireTask{app.id, task, left});
}

void Doze::expire_tasks(Instant now, App& app, Actions& out) {
  for (const TaskId task : app.run.tasks.ids())
    out.push(Ledger{app.id, LedgerEvent::kTaskExpired, "pool_empty", as_value(task.value)});
  end_run(now, app, KillReason::kTasksExpired, out);
}

base::Result<bool> Doze::set_keep_alive(Instant now, AppId id, Duration timeout, Actions& out) {
  constexpr const char* kWhere = "set_keep_alive";
  App* app = lookup(id);
  if (app == nullptr || !app->runs()) return base::fail(ErrorCode::kNotFound, kWhere);
  if (!app->config.voip) return refuse(id, ErrorCode::kNotDeclared, kWhere, out);
  const bool clears = timeout == Duration::zero();
  if (!clears && timeout < profile_.keep_alive_min)
    return refuse(id, ErrorCode::kTooShort, kWhere, out);

  KeepAlive& keep_alive = app->run.keep_alive;
  const bool replaced = keep_alive.is_set();
  if (clears) {
    keep_alive = {};
    app->timers.clear(AppTimer::kKeepAlive);
    app->timers.clear(AppTimer::kKeepAliveBudget);
  } else {
    keep_alive.timeout = timeout;
    keep_alive.restart(now);
    // A host that died in between gives nobody more time.
    keep_alive.latest =
        std::min(keep_alive.latest, std::exchange(app->run.keep_alive_owed, base::kNever));
    app->timers.set(AppTimer::kKeepAlive, keep_alive.latest);
  }
  if (app->run.pending == WakeCause::kKeepAlive) app->run.pending.reset();
  out.push(Ledger{id, LedgerEvent::kKeepAlive,
                  clears     ? "cleared"
                  : replaced ? "replaced"
                             : "set",
                  std::chrono::duration_cast<std::chrono::seconds>(timeout).count()});
  finish(now, *app, out);
  return replaced;
}

base::Result<void> Doze::on_audio_session(Instant now, AppId id, bool active, Actions& out) {
  constexpr const char* kWhere = "audio_session";
  App* app = lookup(id);
  if (app == nullptr || !app->runs()) return base::fail(ErrorCode::kNotFound, kWhere);
  if (!app->config.audio) return refuse(id, ErrorCode::kNotDeclared, kWhere, out);
  Run& run = app->run;
  if (std::exchange(run.audio, active) == active) return {};
  run.interrupted = active && call_ == CallState::kActive;
  out.push(Ledger{id, LedgerEvent::kAudio, active ? "begun" : "ended"});
  // The rules are back, with the time to end what went with the session.
  if (!active && app->awake()) open_window(now, *app, profile_.wake_window);
  // The request was on its way when the app was frozen.
  if (app->in_audio() && app->suspended() && !run.ending)
    resume(now, *app, WakeCause::kTask, {}, out);
  finish(now, *app, out);
  return {};
}

void Doze::on_keep_alive_done(Instant now, AppId id, Actions& out) {
  App* app = lookup(id);
  if (app == nullptr || !app->run.keep_alive.running) return;
  app->run.keep_alive.running = false;
  app->timers.clear(AppTimer::kKeepAliveBudget);
  finish(now, *app, out);
}

}  // namespace wakeline::doze
