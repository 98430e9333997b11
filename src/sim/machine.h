// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/doze/doze.h"
#include "sim/allowance.h"
#include "sim/disk.h"
#include "sim/judge.h"
#include "sim/process.h"
#include "sim/scenario.h"
#include "sim/timeline.h"

namespace wakeline::sim {

/// One device: its host (core/doze), the processes of its apps, their memory files, its own sleep.
/// It checks, after every event, what must hold of every app (`Allowance`, unread data).
class Machine final : public System {
 public:
  /// What it is part of; outlives it.
  struct Parts {
    Kernel& kernel;
    Network& network;
    Observer& observer;
    Judge& judge;
    Bug bug;
  };
  Machine(Parts parts, Names names, const DevicePlace& place, const Places& places);

  void boot();

  // What happens to it.
  void set_foreground(std::size_t app, bool foreground);
  /// The app dies by a signal, wherever it is.
  void crash(std::size_t app);
  /// Addresses changed: the host and the awake apps hear of it.
  void network_changed();
  /// The host's daemon dies and is back after `down`; the guardian lets every app run meanwhile.
  void restart_host(Duration down);
  /// The power goes, and is back after `down`.
  void restart(Duration down);

  // What the world looks at.
  bool ready(std::size_t app) const;
  bool suspended(std::size_t app) const;
  std::uint64_t wakes() const { return wakes_; }
  std::uint64_t launches() const;
  std::string describe(std::size_t app) const;
  /// The longest that bytes lay unread in a suspended app's socket, the limiter's delays apart.
  Duration unread_max() const { return unread_max_; }
  /// The app's live connection, as it believes; null: none.
  ConnectionPtr live(std::size_t app) const;
  /// Whether the server can reach the app now goes into the story.
  void look_at_line(std::size_t app, bool server_knows);
  /// Closes its lanes. Call it once, at the end.
  DeviceStory take_story();

  // --- System
  Instant boot_time() const override { return booted_at_; }
  void tag_socket(const ProcessPtr& process, link::AttemptId attempt) override;
  void untag_socket(std::size_t app, doze::TagId tag) override;
  void begin_task(const ProcessPtr& process) override;
  void end_task(std::size_t app, doze::TaskId task) override;
  void set_keep_alive(std::size_t app, Duration timeout) override;
  void keep_alive_done(std::size_t app) override;
  void exited(const ProcessPtr& process) override;
  void write_file(std::size_t app, std::string text, std::function<void()> on_written) override;
  void socket_changed(const ProcessPtr& process, link::AttemptId attempt) override;

 private:
  struct Watched {
    doze::WatchMode mode;
    std::uint64_t bytes;
    int events = 0;
  };
  struct Slot {
    std::size_t app = 0;
    const AppModel* model = nullptr;
    doze::AppId id;
    ProcessPtr process;
    std::uint64_t runs = 0;
    Disk file{""};  ///< the memory's text
    std::map<doze::TagId, ConnectionPtr> tags;
    std::map<doze::TagId, Watched> watched;
    Instant unread_since = base::kNever;  ///< in a frozen app
    bool delayed = false;                 ///< the limiter holds its wake back
    bool foreground = false;              ///< as the user wants it
    bool connected = false;               ///< the process has its socket to this host
    Allowance allowance;
    Instant check_at = base::kNever;
    AppStory story;
  };

  Slot& slot(std::size_t app) { return slots_.at(app); }
  Slot& slot_of(doze::AppId id);
  /// The host's and its apps' own clock.
  Instant here() const { return Instant(kernel_.now() - booted_at_); }
  using Happens = std::function<void(doze::Actions&)>;
  void event(const char* name, const Happens& happens);
  /// A message of a process, or an answer of the machine: some time later.
  void host_later(const char* name, Happens happens);
  /// A message of an app's library; lost when it has no socket to this host.
  void app_says(std::size_t app, const char* name, Happens happens);
  void carry_out(const doze::Action& action);
  void start_host();
  void stop_host();
  void launch(Slot& slot);
  void die(Slot& slot, doze::ExitStatus status);
  void arm();

  // machine_sleep.cc
  doze::Reading read(Slot& slot);
  void suspend(Slot& slot);
  void resume(Slot& slot, const doze::Resume& resume);
  void thaw(Slot& slot);
  void look(Slot& slot, doze::TagId tag);
  void note_unread(Slot& slot);
  void check(Slot& slot);
  void check_later(Slot& slot);
  void show(Slot& slot);
  bool may_sleep() const;
  void consider_sleep();
  void fall_asleep();
  void set_system_alarm();
  void wake_up(const char* why);

  Kernel& kernel_;
  Network& network_;
  Observer& observer_;
  Judge& judge_;
  Bug bug_;
  Names names_;
  const DeviceModel& model_;
  std::size_t machine_;
  base::Random random_;
  std::string name_;
  doze::Profile profile_;
  doze::Doze doze_;
  std::map<std::size_t, Slot> slots_;  ///< by app
  Instant booted_at_{};
  Instant armed_ = base::kNever;
  Instant host_hears_{};        ///< the last message under way to the host
  std::uint64_t host_run_ = 0;  ///< messages to an earlier one are lost
  bool host_up_ = false;
  bool powered_ = true;
  bool asleep_ = false;
  bool waking_ = false;
  std::uint64_t rest_ = 0;  ///< rises whenever something happens
  std::uint64_t busy_ = 0;  ///< launches under way
  doze::SetAlarm alarm_{base::kNever, base::kNever};
  std::uint64_t wakes_ = 0;
  Duration unread_max_{};
  DeviceStory story_;
};

}  // namespace wakeline::sim
