// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include "core/doze/app.h"
#include "core/doze/deadline_index.h"
#include "core/doze/earlier.h"
#include "core/doze/look_pace.h"
#include "core/doze/types.h"

namespace wakeline::doze {

/// The host's policy: which app runs, which sleeps, what wakes it, and what the ledger says of it.
/// It holds every app of one host, because keep-alive windows of many apps are merged. A value: no
/// clock, no IO, copyable, comparable.
///
/// The driver calls one `on_…` at a time, carries out the actions in their order, and keeps one
/// timer at `next_deadline()`. Firing late is harmless, early a no-op. Events of an unknown app are
/// ignored, and so are those that do not fit its state: they were on their way when it changed.
class Doze {
 public:
  explicit Doze(Profile profile) : profile_(std::move(profile)) {}

  /// The app is installed; nothing runs yet. Errors: kAlreadyExists (the name), kTooLarge (over
  /// kAppsMax).
  base::Result<AppId> add_app(AppConfig config);
  void remove_app(Instant now, AppId id, Actions& out);
  /// Its manifest has changed (the name has not), or what the user grants. With `voip` go the tags,
  /// the keep-alive handler and the wake requests, with `audio` the session (C1). An app that is
  /// given `voip` runs for a window in which it can tag.
  void set_config(Instant now, AppId id, AppConfig config, Actions& out);

  // The host and the user.
  /// C22: launches every voip app, some at a time, but for those in `resting`: they had ended when
  /// an earlier host handed over to this one.
  void on_boot(Instant now, Actions& out, const std::vector<AppId>& resting = {});
  void on_launch_wanted(Instant now, AppId id, LaunchReason reason, Actions& out);
  void on_foreground(Instant now, AppId id, Actions& out);  ///< launches it when it does not run
  void on_background(Instant now, AppId id, Actions& out);
  void on_close_wanted(Instant now, AppId id,
                       Actions& out);  ///< by the user: not relaunched (C23)
  /// The user chose an action of the app's notification (C28): resumes or launches it. Opening the
  /// notification itself is this and then on_foreground.
  void on_notification_action(Instant now, AppId id, Actions& out);
  /// The user wants to reach the running app, with a signal for instance: resumes it for a window.
  void on_attention_wanted(Instant now, AppId id, Actions& out);

  // Around the apps (doze_around.cc).
  void on_network_changed(Instant now, Actions& out);  ///< C31
  /// An active call interrupts every audio session (C29, C30); the driver tells the apps.
  void on_call_state(Instant now, CallState state, Actions& out);
  /// The app's other sockets (D-Bus, Wayland, X11) fill up: it runs for a slice, soon. No full
  /// wake: the limiter does not count it. Ask again only when the app has run.
  void on_ipc_pending(Instant now, AppId id, Actions& out);
  /// Data on such a socket of an app that wants to be woken by it, as by a tagged one.
  void on_ipc_data(Instant now, AppId id, Actions& out);
  /// The machine is about to sleep: every handler and wake request whose window is open runs first.
  /// SleepReady follows, at once or when the last one is done.
  void on_prepare_for_sleep(Instant now, Actions& out);
  void on_system_resumed(Instant now, Actions& out);  ///< catches up
  void on_host_stopping(Instant now,
                        Actions& out);  ///< resumes all; nothing is suspended or launched after it

  // The app's processes.
  void on_launched(Instant now, AppId id, Actions& out);
  void on_launch_failed(Instant now, AppId id, Actions& out);
  /// A running app found by a restarted host, with what the earlier host has noted of it.
  void on_adopted(Instant now, AppId id, Actions& out, const Earlier& earlier = {});
  /// An app that does not run, with what the earlier host has noted of it: what it has used up.
  void on_found_ended(AppId id, const Earlier& earlier);
  /// What the next host is to be told of an app, should this one end.
  Earlier for_next_host(AppId id) const;
  void on_exited(Instant now, AppId id, ExitStatus status, Actions& out);

  // Answers to actions.
  /// What else a sample has to read, given its CPU time: to look at every thread and socket of an
  /// app costs much more than to read that.
  LookNeeds look_needs(Instant now, AppId id, Duration cpu) const;
  void on_sample(Instant now, AppId id, const Reading& reading, Actions& out);
  void on_suspended(Instant now, AppId id, const Reading& reading, Actions& out);
  void on_suspend_failed(Instant now, AppId id, base::Error error, Actions& out);
  void on_socket_event(Instant now, AppId id, TagId tag, SocketEvent event, Actions& out);
  /// The watched socket holds nothing but pings of its server: they wait for the next wake, at most
  /// `AppConfig::merge_pings` from the first one on. The driver goes on watching it.
  void on_pings(Instant now, AppId id, TagId tag, Actions& out);
  void on_tag_gone(Instant now, AppId id, TagId tag,
                   Actions& out);  ///< the app closed its socket (C5)

  // What the app asks for. Refusals are also ledger lines.
  /// Errors: kNotFound (the app, or it does not run), kNotDeclared (C1), kTooLarge (kTagsMax).
  base::Result<TagId> tag(Instant now, AppId id, Actions& out);
  /// A refusal that the driver found by looking at the fd (C4): for the ledger.
  void on_tag_refused(Instant now, AppId id, base::ErrorCode error, Actions& out);
  base::Result<void> untag(Instant now, AppId id, TagId tag, Actions& out);
  bool has_tag(AppId id, TagId tag) const;
  /// Errors: kNotFound (the app, or it does not run), kTooLarge (kTasksMax), kBusy (its pool of
  /// time is used up, until its next wake or the foreground).
  base::Result<TaskId> begin_task(Instant now, AppId id, Actions& out);
  base::Result<void> end_task(Instant now, AppId id, TaskId task, Actions& out);
  /// What is left of the pool; nullopt: without limit, in the foreground (C20).
  std::optional<Duration> background_time_remaining(Instant now, AppId id) const;
  /// `timeout` zero clears. Returns: whether an earlier handler was replaced (C16). Errors:
  /// kNotFound (the app, or it does not run), kNotDeclared, kTooShort (C15).
  base::Result<bool> set_keep_alive(Instant now, AppId id, Duration timeout, Actions& out);
  void on_keep_alive_done(Instant now, AppId id, Actions& out);
  /// The app plays or records (C29). Errors: kNotFound (the app, or it does not run), kNotDeclared
  /// (the mode `audio`).
  base::Result<void> on_audio_session(Instant now, AppId id, bool active, Actions& out);
  /// A wake between `earliest` and `latest` from now (C40); it ends with the run. Errors: kNotFound
  /// (the app, or it does not run), kNotAllowed (the profile), kNotDeclared, kInvalidArgument
  /// (latest < earliest, or below zero), kTooLarge (kWakesMax), kOverBudget
  /// (Profile::wakes_per_day).
  base::Result<WakeId> request_wake(Instant now, AppId id, Duration earliest, Duration latest,
                                    Actions& out);
  /// Errors: kNotFound (also one that was due).
  base::Result<void> cancel_wake(Instant now, AppId id, WakeId wake, Actions& out);
  void cancel_wakes(Instant now, AppId id, Actions& out);

  Instant next_deadline() const { return std::min(deadlines_.next(), boot_due_); }
  /// Fires what is due. Where very much is due at once it stops before `out` is full, or after some
  /// looks, and next_deadline() is then not after `now`.
  void on_deadline(Instant now, Actions& out);

  const Profile& profile() const { return profile_; }
  AppState state(AppId id) const;
  /// Since when the app sleeps; nullopt: it does not.
  std::optional<Instant> suspended_since(AppId id) const;
  const App* find(AppId id) const;

  friend bool operator==(const Doze&, const Doze&) = default;

 private:
  App* lookup(AppId id);

  // Life (doze.cc).
  void go_on_with_boot(Instant now, Actions& out);
  void launch(App& app, LaunchReason reason, bool foreground, Actions& out);
  void begin_run(Instant now, App& app);
  void await_tags(Instant now, App& app, Actions& out);
  void plan_reclaim(Instant now, App& app);
  void relaunch_after_death(Instant now, App& app, Actions& out);
  void end_run(Instant now, App& app, KillReason reason, Actions& out);

  // Sleep (doze_sleep.cc).
  bool may_sleep(const App& app) const;
  void open_window(Instant now, App& app, Duration length);
  Duration window_least() const;
  Duration within_budget(Instant now, const App& app, Duration window) const;
  void take_back_suspension(Instant now, App& app, Actions& out);
  void end_slice(Instant now, App& app, const Reading& reading, Actions& out);
  void refresh_sampling(Instant now, App& app);
  void look_later(Instant now, App& app);
  void end_window(Instant now, App& app, Actions& out);
  void suspend(Instant now, App& app, SuspendReason reason, Actions& out);
  void resume(Instant now, App& app, WakeCause cause, TagId tag, Actions& out);
  void resume_for_slice(Instant now, App& app, Actions& out);
  void run_again(Instant now, App& app, WakeCause cause, TagId tag, Duration window, Actions& out);
  void enter_foreground(App& app, Actions& out);
  void wake(Instant now, App& app, WakeCause cause, TagId tag, Actions& out);
  void watch(App& app, Actions& out);
  void unwatch(App& app, Actions& out);
  Duration quiet_needed() const;

  // Tasks (doze_requests.cc).
  void start_task_pool(Instant now, App& app);
  void warn_tasks(Instant now, App& app, Duration late, Actions& out);
  void expire_tasks(Instant now, App& app, Actions& out);

  // Keep-alive handlers and wake requests (doze_alarms.cc).
  void run_keep_alive(Instant now, App& app, std::string_view reason, Actions& out);
  void run_wakes(Instant now, App& app, bool rides, Actions& out);
  void serve_alarms(Instant now, Instant horizon, Actions& out);
  bool serve(Instant now, App& app, Actions& out);
  void ride(Instant now, Actions& out);
  void set_wake_timer(App& app);
  void owe_wakes(App& app, const std::vector<WakeRequests::Window>& wakes);
  void end_keep_alive_budget(Instant now, App& app, Duration late, Actions& out);
  void overrun_keep_alive(Instant now, App& app, Actions& out);

  // doze_around.cc
  void publish_sleep_ready(Actions& out);

  // Deadlines (doze_deadlines.cc).
  void fire(Instant now, App& app, AppTimer timer, Duration late, Actions& out);
  /// Brings one app's sampling and indices up to date; ends every change of an app.
  void settle(Instant now, App& app);
  /// Tells the machine's next alarm where it changed, and that it may sleep; ends every event.
  void publish_alarm(Actions& out);
  void finish(Instant now, App& app, Actions& out) {
    settle(now, app);
    publish_alarm(out);
  }

  Profile profile_;
  std::map<AppId, App> apps_;
  std::uint64_t next_id_ = 1;
  bool stopping_ = false;
  bool preparing_ = false;  ///< for the machine's sleep
  CallState call_ = CallState::kEnded;
  std::vector<AppId> boot_;  ///< still to be launched, the next one last
  Instant boot_due_ = base::kNever;
  LookPace pace_;
  DeadlineIndex deadlines_;
  DeadlineIndex alarms_;
  SetAlarm alarm_{base::kNever, base::kNever};
};

}  // namespace wakeline::doze
