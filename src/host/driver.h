// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/flat_map.h"
#include "core/doze/doze.h"
#include "host/app_record.h"
#include "host/ended_notes.h"
#include "host/launched_manifests.h"
#include "host/ledger_log.h"
#include "io/clock.h"
#include "io/deadline_timer.h"
#include "io/loop.h"
#include "linux/exit_set.h"
#include "linux/freezer.h"
#include "linux/socket_watch.h"
#include "wire/host_message.h"
#include "wire/manifest.h"

namespace wakeline::host {

struct AppReading;

/// What parts of the host beside the driver do with an app; each may be empty.
struct DriverHooks {
  /// It is frozen and stays so for now: duplicates of its other sockets may be taken and watched.
  std::function<void(AppRecord&)> on_asleep;
  /// It is about to run, or has ended: every duplicate of its descriptors must be closed.
  std::function<void(AppRecord&)> on_waking;
  /// It has slept long and its memory is to be given back (AppConfig::reclaim).
  std::function<void(AppRecord&)> on_reclaim;
};

struct DriverOptions {
  doze::Profile profile;
  LaunchSettings launch;
  base::Duration kill_grace{};
  std::string ended_notes_folder;         ///< see EndedNotes
  std::string launched_manifests_folder;  ///< see LaunchedManifests
};

/// Carries out what the policy machine (`doze::Doze`) decides, and tells it what happens. All of it
/// on the loop's thread.
///
/// On the way of a wake stand only: event → machine → close the duplicates → thaw. Messages to apps
/// and ledger lines follow after the handler under way, when every app that the same event woke
/// runs already.
class Driver {
 public:
  /// `loop`, `freezer` and `ledger` outlive it. Errors: kOs.
  static base::Result<std::unique_ptr<Driver>> create(io::Loop& loop, sys::Freezer& freezer,
                                                      LedgerLog& ledger, DriverOptions options);
  ~Driver();

  /// Installs the app, or takes a changed manifest. Of an app that runs, what the user grants and
  /// how notifications look is taken at once, the rest when it ends. `file`: where it was found.
  /// Errors: kTooLarge (doze::kAppsMax), as Freezer::group.
  base::Result<void> install(const wire::Manifest& manifest, const std::string& file = {});
  /// Forgets an app that does not run, and takes its group away.
  void uninstall(const std::string& id);
  AppRecord* find(std::string_view id);
  AppRecord* find(doze::AppId id);
  const std::map<std::string, std::unique_ptr<AppRecord>, std::less<>>& apps() const {
    return apps_;
  }
  const doze::Doze& machine() const { return doze_; }

  /// Takes over what an earlier host left running, then launches what starts at boot, but for the
  /// apps in `resting`.
  void boot(const std::set<std::string>& resting);
  /// Apps that do not run and that nothing will launch but the user.
  std::set<std::string> resting() const;
  /// Lets every app run and ends them; then calls `on_stopped`, at the latest two seconds after the
  /// grace. A second call kills at once.
  void stop(std::function<void()> on_stopped);

  /// Gives the machine one event and carries out what follows from it.
  /// `event`: (doze::Doze&, base::Instant now, doze::Actions& out).
  template <class Event>
  void feed(Event&& event) {
    const base::Instant now = io::now();
    if (!pumping_) event_seen_ = now;
    actions_.clear();
    std::forward<Event>(event)(doze_, now, actions_);
    enqueue_and_pump();
  }

  /// Set before `boot`.
  void set_hooks(DriverHooks hooks) { hooks_ = std::move(hooks); }

  // What happens around the apps; each is compared with what was known, and told to the connected
  // ones: at once, to a suspended one at its next wake.
  void network_changed(wire::host::NetworkChanged facts);  ///< C31
  void call_state_changed(wire::host::CallState state);    ///< C30
  void prepare_for_sleep(std::function<void()> on_ready);  ///< what is due runs, then `on_ready`
  void system_resumed();                                   ///< catches up
  /// The suspended app's other sockets fill up: it runs for a slice. Ask again when it has slept
  /// anew.
  void ipc_pending(AppRecord& app);
  wire::host::CallState call_state() const { return call_; }
  /// After the app's welcome: what it must know of the network and of calls.
  void tell_surroundings(AppRecord& app);

  /// Sends to the app after the handler under way; dropped when it is not connected.
  void tell(AppRecord& app, wire::host::Message message);
  /// The same, kept until the app connects when it is not connected (kUndeliveredMax).
  void deliver(AppRecord& app, wire::host::NotificationActivated activation);
  /// The app's connection has ended while the app runs: its tasks and its keep-alive handler live
  /// in the process that was connected.
  void disconnected(AppRecord& app);
  /// A line of the host's own; `app` may be null.
  void note(const AppRecord* app, std::string_view event, std::string reason, std::string detail);
  /// Writes down what the next host must know of the runs that changed (run_note.h). It happens by
  /// itself: of deadlines after the handler under way, of counts with the ledger's next commit.
  void write_notes();
  /// Of apps that run, or ran when an earlier host died.
  const LaunchedManifests& launched_manifests() const { return launched_manifests_; }
  /// Closes what is watched of one tag and forgets it.
  void forget_tag(AppRecord& app, doze::TagId tag);

 private:
  Driver(io::Loop& loop, sys::Freezer& freezer, LedgerLog& ledger, DriverOptions options)
      : loop_(loop),
        freezer_(freezer),
        ledger_(ledger),
        options_(std::move(options)),
        doze_(options_.profile),
        ended_notes_(options_.ended_notes_folder),
        launched_manifests_(options_.launched_manifests_folder) {}
  base::Result<void> make_timers();
  void enqueue_and_pump();

  void carry_out(const doze::Launch& action);
  void carry_out(const doze::Sample& action);
  void carry_out(const doze::Suspend& action);
  void carry_out(const doze::Watch& action);
  void carry_out(const doze::Unwatch& action);
  void carry_out(const doze::Resume& action);
  void carry_out(const doze::RunKeepAlive& action);
  void carry_out(const doze::ExpireTask& action);
  void carry_out(const doze::RunWake& action);
  void carry_out(const doze::Reclaim& action);
  void carry_out(const doze::SleepReady& action);
  void carry_out(const doze::TellState& action);
  void carry_out(const doze::Kill& action);
  void carry_out(const doze::SetAlarm& action);
  void carry_out(const doze::Ledger& action);

  void on_socket_event(sys::WatchKey key, sys::SocketEvent event);
  void on_exit(AppRecord& app, sys::ExitInfo info);
  base::Result<AppReading> look_at(AppRecord& app, base::Instant now);
  void thaw(AppRecord& app);
  void begin_run(AppRecord& app);
  void change(AppRecord& app, const wire::Manifest& manifest);
  void take_grants(AppRecord& app, const wire::Manifest& granted);
  void set_config(AppRecord& app);
  void set_keep_alive_of_manifest(AppRecord& app);
  void send_outbox();
  void look_for_ended_media();
  void check_stopped();
  void note_soon(AppRecord& app);
  void keep_manifest(const AppRecord& app);

  io::Loop& loop_;
  sys::Freezer& freezer_;
  LedgerLog& ledger_;
  DriverOptions options_;
  doze::Doze doze_;
  EndedNotes ended_notes_;
  LaunchedManifests launched_manifests_;
  std::unique_ptr<sys::ExitSet> exits_;  // outlives the apps
  std::map<std::string, std::unique_ptr<AppRecord>, std::less<>> apps_;
  base::FlatMap<doze::AppId, AppRecord*> by_id_;
  std::unique_ptr<sys::SocketWatch> watch_;
  std::unique_ptr<io::DeadlineTimer> deadline_timer_;
  std::unique_ptr<io::DeadlineTimer> alarm_timer_;
  std::unique_ptr<io::DeadlineTimer> stop_timer_;
  std::unique_ptr<io::DeadlineTimer> media_timer_;

  DriverHooks hooks_;
  std::optional<wire::host::NetworkChanged> network_;  ///< as last told
  wire::host::CallState call_ = wire::host::CallState::kEnded;
  std::function<void()> on_sleep_ready_;

  doze::Actions actions_;
  std::deque<doze::Action> queue_;
  bool pumping_ = false;
  base::Instant event_seen_{};
  std::vector<std::pair<doze::AppId, wire::host::Message>> outbox_;
  std::vector<doze::AppId> to_note_;
  bool notes_posted_ = false;
  bool notes_fail_ = false;
  std::function<void()> on_stopped_;
  bool stopping_ = false;
};

}  // namespace wakeline::host
