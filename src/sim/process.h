// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/doze/types.h"
#include "core/link/link.h"
#include "sim/bug.h"
#include "sim/network.h"
#include "sim/scenario.h"

namespace wakeline::sim {

/// More never wait for a frozen process: timers of its own and messages of the host.
inline constexpr std::size_t kBacklogMax = 256;

class Process;
using ProcessPtr = std::shared_ptr<Process>;

/// What a process asks of the machine it runs on. The calls are messages: they take their time.
class System {
 public:
  virtual ~System() = default;
  /// When the machine started: its boot clock counts from there.
  virtual Instant boot_time() const = 0;
  virtual void tag_socket(const ProcessPtr& process, link::AttemptId attempt) = 0;
  virtual void untag_socket(std::size_t app, doze::TagId tag) = 0;
  virtual void begin_task(const ProcessPtr& process) = 0;
  virtual void end_task(std::size_t app, doze::TaskId task) = 0;
  virtual void set_keep_alive(std::size_t app, Duration timeout) = 0;
  virtual void keep_alive_done(std::size_t app) = 0;
  /// The app ended itself with status 0.
  virtual void exited(const ProcessPtr& process) = 0;
  /// Replaces the app's memory file; `on_written` is called when it is durable.
  virtual void write_file(std::size_t app, std::string text, std::function<void()> on_written) = 0;
  /// Bytes or the end arrived at a socket of the process; also while it is frozen.
  virtual void socket_changed(const ProcessPtr& process, link::AttemptId attempt) = 0;
};

/// What the world wants to know of every run of every app.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void delivered(std::size_t app, std::uint64_t run, const link::Delivery& delivery) = 0;
  /// The app took that push, and this is on the disk.
  virtual void kept(std::size_t app, link::Sequence sequence) = 0;
  /// A new run has read that from the disk, also what an earlier one did not live to hear of.
  virtual void remembered(std::size_t app, const link::Memory& memory) = 0;
};

/// How addresses of the server's name behave.
struct Names {
  bool has_ipv6 = false;
  bool ipv6_black_hole = false;  ///< packets vanish; otherwise it works
};

/// One run of an app: drives core/link over the modelled sockets. While it is frozen nothing of it
/// happens; what the machine has for it waits.
class Process : public std::enable_shared_from_this<Process> {
 public:
  struct Place {
    std::size_t machine;
    std::size_t app;
    std::uint64_t run;
  };
  /// What it is part of; outlives it.
  struct Parts {
    Kernel& kernel;
    Network& network;
    System& system;
    Observer& observer;
    Bug bug = Bug::kNone;
  };
  struct Socket {
    ConnectionPtr connection = nullptr;  ///< null until TCP stands
    std::optional<doze::TagId> tag = {};
    bool closed = false;  ///< kept until the answer to its tag request
    bool asked = false;   ///< for a tag
    bool probe = false;   ///< tries out what a NAT bears; nothing comes over it
  };

  Process(Parts parts, Names names, const AppModel& model, Place place, link::Memory memory);

  void start();
  /// SIGKILL, or the end of main: the machine closes its sockets.
  void die();
  bool dead() const { return dead_; }
  void freeze() { frozen_ = true; }
  void thaw();
  bool frozen() const { return frozen_; }

  // Messages of the host.
  void on_foreground(bool foreground);
  void on_woken(doze::WakeCause cause);
  void on_keep_alive();
  void on_expire_task(doze::TaskId task);
  void on_tagged(link::AttemptId attempt, std::optional<doze::TagId> tag);
  void on_task_begun(std::optional<doze::TaskId> task);
  void on_network();
  /// The host was started anew: it knows nothing of what this process had asked for.
  void on_host_back();
  void on_close_wanted();
  /// The socket has something to read.
  void on_readable(link::AttemptId attempt);

  const link::Link& link() const { return link_; }
  const Place& place() const { return place_; }
  const std::map<link::AttemptId, Socket>& sockets() const { return sockets_; }
  Duration cpu() const { return cpu_; }
  /// What waits for the thaw.
  std::size_t backlog() const { return messages_.size() + events_.size(); }

 private:
  using Task = Kernel::Task;

  /// A message in its order; an event of the process's own loop, in any order after a thaw.
  void message(Task task);
  void later(Duration delay, Task task);
  void run(const Task& task);
  template <class Event>
  void tell(const char* name, Event event);
  void arm();
  Instant here() const { return Instant(kernel_.now() - system_.boot_time()); }
  void ask_for_tag(link::AttemptId attempt);
  void read(link::AttemptId attempt);
  void close(link::AttemptId attempt);
  void check_network();

  void carry_out(const link::Resolve& a);
  void carry_out(const link::Connect& a);
  void carry_out(const link::Write& a);
  void carry_out(const link::Secure&) {}  // TCP and TLS are one step here
  void carry_out(const link::SetHeartbeat& a);
  void carry_out(const link::Close& a) { close(a.attempt); }
  void carry_out(const link::HoldAwake& a);
  void carry_out(const link::LetGo& a);
  void carry_out(const link::Persist& a);
  void carry_out(const link::Deliver& a);
  void carry_out(const link::Report& a);
  // The apps of the simulator send nothing.
  void carry_out(const link::StoreOutbox& /*a*/) {}
  void carry_out(const link::Outcome& /*a*/) {}
  void carry_out(const link::Missed& /*a*/) {}
  void give(const link::Deliver& a);
  void on_handshake(link::AttemptId attempt, const ConnectionPtr& connection);

  Kernel& kernel_;
  Network& network_;
  System& system_;
  Observer& observer_;
  Bug bug_;
  Names names_;
  const AppModel& model_;
  Place place_;
  base::Random random_;
  std::string name_;  ///< "app0.2": app and run
  link::Link link_;
  std::map<link::AttemptId, Socket> sockets_;
  std::vector<link::Sequence> accepted_;  ///< by the app, and not durable yet
  std::optional<link::Deliver> late_;     ///< of Bug::kDeliversLate
  std::vector<Task> messages_;            ///< waiting for the thaw
  std::vector<Task> events_;
  Instant armed_ = base::kNever;
  Duration cpu_{};
  bool dead_ = false;
  bool frozen_ = false;
  bool was_online_ = true;
  bool foreground_ = false;
  std::uint64_t network_seen_ = 0;

  bool awake_wanted_ = false;
  bool task_asked_ = false;
  std::optional<doze::TaskId> task_;
};

}  // namespace wakeline::sim
