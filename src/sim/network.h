// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "sim/kernel.h"

namespace wakeline::sim {

/// How the paths of a world behave while nothing is wrong with them.
struct PathModel {
  Duration delay_min = std::chrono::milliseconds(5);  ///< one way
  Duration delay_max = std::chrono::milliseconds(80);
  Duration retransmit_max = std::chrono::seconds(2);  ///< after a path is back
};

/// One end of a TCP connection, as its own kernel has it: bytes arrive whatever the process does.
struct End {
  base::Bytes unread;
  std::uint64_t received = 0;  ///< rises for ever, as tcpi_bytes_received
  bool ended = false;          ///< FIN or reset has arrived
  bool reset = false;
  bool closed = false;            ///< by its own process
  std::function<void()> changed;  ///< bytes or the end arrived; for the machine, not the process
};

enum class Side : std::uint8_t { kClient, kServer };

/// A TCP connection between a machine and the server.
class Connection {
 public:
  Connection(std::uint64_t its_id, std::size_t its_machine, std::uint64_t its_address)
      : id(its_id), machine(its_machine), address(its_address) {}

  const std::uint64_t id;
  const std::size_t machine;
  const std::uint64_t address;  ///< which of the machine's addresses, over time, is its own
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
  };
  Direction to_client_;
  Direction to_server_;
  bool forgotten_ = false;    ///< by a NAT: both ways silent from now on
  bool server_lost_ = false;  ///< its machine was switched off: a segment to it is answered by RST
};
using ConnectionPtr = std::shared_ptr<Connection>;

/// The network between the machines of the apps and the one server: delay, order, cuts, NATs that
/// forget, addresses that go.
class Network {
 public:
  using OnAccept = std::function<void(ConnectionPtr)>;
  using OnConnected = std::function<void(ConnectionPtr)>;  ///< null: refused

  Network(Kernel& kernel, PathModel model, std::size_t machines)
      : kernel_(kernel), model_(model), machines_(machines) {}

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
  std::uint64_t changes(std::size_t machine) const { return machines_[machine].changes; }
  bool online(std::size_t machine) const { return machines_[machine].online; }

  // --- both
  void send(const ConnectionPtr& c, Side from, base::Bytes bytes);
  /// The process closes its end; FIN, or RST when it left bytes unread.
  void close(const ConnectionPtr& c, Side side);

  // --- faults
  /// The path of the machine carries nothing until then; TCP sends again after it.
  void cut(std::size_t machine, Instant until);
  void set_online(std::size_t machine, bool online, bool new_address);
  /// A NAT on the way forgets the machine's connections.
  void forget(std::size_t machine);
  void reset(std::size_t machine);
  void heal();

  std::size_t open() const;

 private:
  struct Path {
    bool online = true;
    std::uint64_t address = 1;
    std::uint64_t changes = 0;
    Instant cut_until{};
  };

  Duration delay() { return kernel_.between(model_.delay_min, model_.delay_max); }
  bool silent(const Connection& c) const;
  Instant clear_at(const Connection& c) const;
  void handshake(std::size_t machine, Duration keep_alive, OnConnected on_connected, int tries);
  void push(const ConnectionPtr& c, Side to, base::Bytes bytes, bool reset);
  void move(const ConnectionPtr& c, Side to);
  void arrive(const ConnectionPtr& c, Side to, Connection::Segment segment);
  void probe(const ConnectionPtr& c, Duration keep_alive);
  static void end(Connection& c, Side side, bool reset);

  Kernel& kernel_;
  PathModel model_;
  std::vector<Path> machines_;
  OnAccept on_accept_;
  bool powered_ = true;
  std::uint64_t next_id_ = 1;
  std::vector<std::weak_ptr<Connection>> connections_;
};

}  // namespace wakeline::sim
