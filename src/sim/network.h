// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "sim/kernel.h"
#include "sim/radio.h"
#include "sim/timeline.h"

namespace wakeline::sim {

/// One access network and the path behind it, while nothing is wrong with them.
struct NetworkModel {
  std::string name = "line";
  RadioModel radio = kWired;
  Duration delay_min = std::chrono::milliseconds(5);  ///< one way
  Duration delay_max = std::chrono::milliseconds(80);
  Duration retransmit_max = std::chrono::seconds(2);  ///< after a path is back
  int loss_permille = 0;  ///< of each segment, each way; TCP sends again
  Duration nat{};         ///< a NAT forgets a connection that is idle so long; zero: there is none
  bool nat_resets = false;  ///< and answers what comes after that with RST; else with silence
  bool captive = false;     ///< a portal answers everything until somebody signs in
};

/// One end of a TCP connection, as its own kernel has it: bytes arrive whatever the process does.
struct End {
  base::Bytes unread;
  std::uint64_t received = 0;  ///< rises for ever, as tcpi_bytes_received
  bool ended = false;          ///< FIN or reset has arrived
  bool reset = false;
  bool timed_out = false;         ///< its own kernel gave it up
  bool closed = false;            ///< by its own process
  std::function<void()> changed;  ///< bytes or the end arrived; for the machine, not the process
};

enum class Side : std::uint8_t { kClient, kServer };

/// Why a connection carries nothing any more, though neither end knows.
enum class DeathCause : std::uint8_t { kAddressGone, kNat, kForgotten, kServerLost, kCount };
std::string_view name(DeathCause);

/// A client that has noticed that its connection was dead: what it died of, and how long it lay.
struct Detection {
  std::size_t machine;
  DeathCause cause;
  Instant dead_since;
  Duration took;
};

/// A TCP connection between a machine and the server.
class Connection {
 public:
  Connection(std::uint64_t its_id, std::size_t its_machine, std::uint64_t its_address,
             const NetworkModel& its_network, bool portal, Instant now)
      : id(its_id),
        machine(its_machine),
        address(its_address),
        network(its_network),
        to_portal(portal),
        crossed_nat_(now) {}

  const std::uint64_t id;
  const std::size_t machine;
  const std::uint64_t address;  ///< which of the machine's addresses, over time, is its own
  const NetworkModel& network;  ///< where that address is of
  const bool to_portal;         ///< a captive portal took the server's place: TLS will fail
  End client;
  End server;

  End& end(Side side) { return side == Side::kClient ? client : server; }

 private:
  friend class Network;
  struct Segment {
    Instant at;
    base::Bytes bytes;  ///< empty: FIN, or RST
    bool reset = false;
  };
  struct Direction {
    std::deque<Segment> segments;  ///< in order: TCP
    bool moving = false;
    int losses = 0;  ///< of the first segment, in a row
  };
  Direction to_client_;
  Direction to_server_;
  Duration keep_alive_{};              ///< the client's kernel; zero: none
  Instant crossed_nat_;                ///< the last segment that went through, either way
  Instant dead_since_ = base::kNever;  ///< nothing comes through any more
  DeathCause dead_of_{};
  bool forgotten_ = false;    ///< by a NAT: both ways silent from now on
  bool server_lost_ = false;  ///< its machine was switched off: a segment to it is answered by RST
};
using ConnectionPtr = std::shared_ptr<Connection>;

/// The network between the machines of the apps and the one server: delay, order, loss, cuts, NATs
/// that forget, portals, addresses that go, radios that have to wake up.
class Network {
 public:
  using OnAccept = std::function<void(ConnectionPtr)>;
  using OnConnected = std::function<void(ConnectionPtr)>;  ///< null: refused
  /// A packet came to a machine that is asleep as a whole. Returns: whether it wakes for it.
  using OnPacket = std::function<bool()>;

  /// `first`: the network of each machine; they outlive this.
  Network(Kernel& kernel, const std::vector<const NetworkModel*>& first);

  // --- the server's machine
  /// Null: nothing listens, connections are refused.
  void listen(OnAccept on_accept) { on_accept_ = std::move(on_accept); }
  void set_power(bool on);

  // --- an app's machine
  /// `on_connected` is called after a handshake or a refusal; with no path, when there is one.
  /// `keep_alive` is the kernel's (C39).
  void connect(std::size_t machine, Duration keep_alive, OnConnected on_connected);
  /// Whether the connection's own address is still the machine's.
  bool has_address(const Connection& c) const;
  /// Rises whenever the machine's addresses change.
  std::uint64_t changes(std::size_t machine) const { return paths_[machine].changes; }
  bool online(std::size_t machine) const { return paths_[machine].online; }
  /// The name service answers: online, and no portal is in the way.
  bool reaches(std::size_t machine) const;
  const NetworkModel& model(std::size_t machine) const { return *paths_[machine].model; }
  const Radio& radio(std::size_t machine) const { return paths_[machine].radio; }
  /// When it was up; kept only after record().
  const std::vector<Span>& radio_spans(std::size_t machine) const {
    return paths_[machine].radio_spans;
  }
  void record() { recording_ = true; }
  const std::vector<Detection>& detections() const { return detections_; }
  /// Whether a push would come through now.
  bool carries(const Connection& c) const;
  /// The machine sleeps as a whole: its kernel sends no probes and takes no packets.
  void set_asleep(std::size_t machine, bool asleep);
  void on_packet(std::size_t machine, OnPacket hook) { paths_[machine].hook = std::move(hook); }
  /// The machine restarts or loses its power: nobody closes its connections, and nobody knows them.
  void drop_all(std::size_t machine);

  void set_keep_alive(Connection& c, Duration keep_alive) { c.keep_alive_ = keep_alive; }

  // --- both
  void send(const ConnectionPtr& c, Side from, base::Bytes bytes);
  /// The process closes its end; FIN, or RST when it left bytes unread.
  /// `noticed`: because it found it dead, or wants it no more; not because it died itself.
  void close(const ConnectionPtr& c, Side side, bool noticed = true);

  // --- what happens to a path
  /// The path of the machine carries nothing until then; TCP sends again after it.
  void cut(std::size_t machine, Instant until);
  void set_online(std::size_t machine, bool online, bool new_address);
  /// Another network, with another address; null: none. With `overlap` the one before stays up
  /// beside it, and its lines live, until leave_old().
  void move(std::size_t machine, const NetworkModel* to, bool overlap = false);
  /// Which overlap of the machine this is; 0: none.
  std::uint64_t overlap(std::size_t machine) const { return paths_[machine].old_address; }
  void leave_old(std::size_t machine);
  void sign_in(std::size_t machine);
  /// A NAT on the way forgets the machine's connections.
  void forget(std::size_t machine);
  void reset(std::size_t machine);
  void heal();

 private:
  struct Path {
    const NetworkModel* model;
    base::Random random;
    Radio radio = {};
    OnPacket hook = nullptr;
    bool online = true;
    bool signed_in = false;
    bool asleep = false;
    std::uint64_t address = 1;
    std::uint64_t old_address = 0;  ///< of a network that is still up beside the present one
    std::uint64_t changes = 0;
    Instant cut_until{};
    std::vector<Kernel::Task> on_awake = {};  ///< timers that were due in its sleep
    std::vector<Span> radio_spans = {};
  };

  static Duration delay(Path& path, const NetworkModel& model) {
    return path.random.between(model.delay_min, model.delay_max);
  }
  static bool lost(Path& path, const NetworkModel& model) {
    return model.loss_permille > 0 &&
           path.random.below(1'000) < static_cast<std::uint64_t>(model.loss_permille);
  }
  static bool has(const Path& path, std::uint64_t address) {
    return path.address == address || path.old_address == address;
  }
  Duration wake_radio(Path& path, const NetworkModel& model);
  void mark_dead(Connection& c, DeathCause cause, Instant since);
  void mark_all_dead(std::size_t machine, DeathCause cause, std::uint64_t spared = 0);
  bool nat_forgot(const Connection& c) const;
  bool silent(const Connection& c) const;
  bool crosses_nat(const ConnectionPtr& c, Side to);
  Instant clear_at(const Connection& c) const;
  void handshake(std::size_t machine, Duration keep_alive, OnConnected on_connected, int tries);
  void push(const ConnectionPtr& c, Side to, base::Bytes bytes, bool reset);
  void step(const ConnectionPtr& c, Side to);
  void carry(const ConnectionPtr& c, Side to);
  void arrive(const ConnectionPtr& c, Side to, Connection::Segment segment);
  void probe_after(const ConnectionPtr& c);
  void probe(const ConnectionPtr& c);
  void probes_over(const std::weak_ptr<Connection>& weak, bool answered);
  static void end(Connection& c, Side side, bool reset);

  Kernel& kernel_;
  std::vector<Path> paths_;  ///< by machine
  OnAccept on_accept_;
  bool powered_ = true;
  bool recording_ = false;
  std::vector<Detection> detections_;
  std::uint64_t next_id_ = 1;
  std::vector<std::weak_ptr<Connection>> connections_;
};

}  // namespace wakeline::sim
