// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/doze/doze.h"
#include "sim/process.h"

namespace wakeline::sim {

/// What must never happen; collected by the world.
class Judge {
 public:
  virtual ~Judge() = default;
  virtual void violation(std::string what) = 0;
};

/// One device: its host (core/doze), the processes of its apps, their memory files.
class Machine final : public System {
 public:
  /// `apps` are their numbers in the world.
  Machine(Kernel& kernel, Network& network, Observer& observer, Judge& judge, Names names,
          std::size_t machine, std::vector<std::size_t> apps);

  void boot();

  // What happens to it.
  void set_foreground(std::size_t app, bool foreground);
  /// The app dies by a signal, wherever it is.
  void crash(std::size_t app);
  /// Addresses changed: the host and the awake apps hear of it.
  void network_changed();

  // What the world looks at.
  bool ready(std::size_t app) const;
  bool suspended(std::size_t app) const;
  std::uint64_t wakes() const { return wakes_; }
  std::uint64_t launches() const;
  std::string describe(std::size_t app) const;
  /// The longest that bytes lay unread in a suspended app's socket, the limiter's delays apart.
  Duration unread_max() const { return unread_max_; }

  // --- System
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
    doze::AppId id;
    ProcessPtr process;
    std::uint64_t runs = 0;
    std::string file;  ///< the memory's text, durable
    std::map<doze::TagId, ConnectionPtr> tags;
    std::map<doze::TagId, Watched> watched;
    Instant unread_since = base::kNever;  ///< in a frozen app
    bool delayed = false;                 ///< the limiter holds its wake back
  };

  Slot& slot(std::size_t app) { return slots_.at(app); }
  Slot& slot_of(doze::AppId id);
  template <class Event>
  void event(const char* name, Event event);
  /// A message of a process, or an answer of the machine: some time later.
  template <class Event>
  void host_later(const char* name, Event event);
  void carry_out(const doze::Action& action);
  void launch(Slot& slot, std::size_t app);
  void die(Slot& slot, doze::ExitStatus status);
  doze::Reading read(Slot& slot);
  void suspend(Slot& slot);
  void resume(Slot& slot, const doze::Resume& resume);
  void look(Slot& slot, doze::TagId tag);
  void note_unread(Slot& slot);
  void arm();

  Kernel& kernel_;
  Network& network_;
  Observer& observer_;
  Judge& judge_;
  Names names_;
  std::size_t machine_;
  std::string name_;
  doze::Doze doze_;
  std::map<std::size_t, Slot> slots_;  ///< by app
  Instant armed_ = base::kNever;
  Instant host_hears_{};  ///< the last message under way to the host
  std::uint64_t wakes_ = 0;
  Duration unread_max_{};
};

}  // namespace wakeline::sim
