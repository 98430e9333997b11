// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>

#include "core/doze/app.h"
#include "core/doze/types.h"

namespace wakeline::doze {

/// The host's policy: which app runs, which sleeps, what wakes it, and what the ledger says of it.
/// It holds every app of one host, because keep-alive windows of many apps are merged. A value: no
/// clock, no IO, copyable, comparable.
///
/// The driver calls one `on_…` at a time, carries out the actions in their order, and keeps one
/// timer at `next_deadline()`. Firing late is harmless, early a no-op. Events of an unknown app are
/// ignored: the app may have gone meanwhile.
class Doze {
 public:
  explicit Doze(Profile profile) : profile_(std::move(profile)) {}

  /// The app is installed; nothing runs yet. Errors: kAlreadyExists (the name), kTooLarge (over
  /// kAppsMax).
  base::Result<AppId> add_app(AppConfig config);
  void remove_app(Instant now, AppId app, Actions& out);

  // The host and the user.
  void on_boot(Instant now, Actions& out);  ///< C22: launches every voip app
  void on_launch_wanted(Instant now, AppId app, LaunchReason reason, Actions& out);
  void on_foreground(Instant now, AppId app, Actions& out);  ///< launches it when it does not run
  void on_background(Instant now, AppId app, Actions& out);
  void on_close_wanted(Instant now, AppId app,
                       Actions& out);  ///< by the user: not relaunched (C23)
  void on_notification_action(Instant now, AppId app,
                              Actions& out);  ///< resumes or launches it (C28)
  void on_system_resumed(Instant now, Actions& out);
  void on_network_changed(Instant now, Actions& out);  ///< C31
  void on_host_stopping(Instant now,
                        Actions& out);  ///< resumes all; nothing is suspended or launched after it

  // The app's processes.
  void on_launched(Instant now, AppId app, Actions& out);
  void on_launch_failed(Instant now, AppId app, Actions& out);
  /// A running app found by a restarted host.
  void on_adopted(Instant now, AppId app, Actions& out);
  void on_exited(Instant now, AppId app, ExitStatus status, Actions& out);

  // Answers to actions.
  void on_sample(Instant now, AppId app, const Reading& reading, Actions& out);
  void on_suspended(Instant now, AppId app, const Reading& reading, Actions& out);
  void on_suspend_failed(Instant now, AppId app, base::Error error, Actions& out);
  void on_socket_event(Instant now, AppId app, TagId tag, SocketEvent event, Actions& out);
  void on_tag_gone(Instant now, AppId app, TagId tag,
                   Actions& out);  ///< the app closed its socket (C5)

  // What the app asks for. Refusals are also ledger lines.
  /// Errors: kNotDeclared (C1), kTooLarge (kTagsMax).
  base::Result<TagId> tag(Instant now, AppId app, Actions& out);
  /// A refusal that the driver found by looking at the fd (C4): for the ledger.
  void on_tag_refused(Instant now, AppId app, base::ErrorCode error, Actions& out);
  base::Result<void> untag(Instant now, AppId app, TagId tag, Actions& out);
  bool has_tag(AppId app, TagId tag) const;
  /// Errors: kTooLarge (kTasksMax), kNotFound (the app).
  base::Result<TaskId> begin_task(Instant now, AppId app, Actions& out);
  base::Result<void> end_task(Instant now, AppId app, TaskId task, Actions& out);
  /// What is left of the pool; nullopt: without limit, in the foreground (C20).
  std::optional<Duration> background_time_remaining(Instant now, AppId app) const;
  /// `timeout` zero clears. Returns: whether an earlier handler was replaced (C16). Errors:
  /// kNotDeclared, kTooShort (C15).
  base::Result<bool> set_keep_alive(Instant now, AppId app, Duration timeout, Actions& out);
  void on_keep_alive_done(Instant now, AppId app, Actions& out);

  Instant next_deadline() const;
  void on_deadline(Instant now, Actions& out);

  const Profile& profile() const { return profile_; }
  AppState state(AppId app) const;
  const App* find(AppId app) const;

  friend bool operator==(const Doze&, const Doze&) = default;

 private:
  Profile profile_;
  std::map<AppId, App> apps_;
  std::uint64_t next_id_ = 1;
  bool stopping_ = false;
};

}  // namespace wakeline::doze
