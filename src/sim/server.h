// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "core/session/session.h"
#include "sim/network.h"
#include "sim/store.h"

namespace wakeline::sim {

/// The server's name of an app's inbox: "app0", "app1", …
std::string app_name(std::size_t app);

/// How a server's process ends.
enum class Stop : std::uint8_t {
  kGraceful,  ///< DISCONNECT with `drain`, deletions committed
  kKilled,    ///< the machine closes its sockets
  kPower,     ///< nobody closes anything
};

struct ServerModel {
  Duration spread{};                   ///< W of link.md §2, told to every client
  bool answers_before_commit = false;  ///< the planted bug of `Scenario`
};

/// The push server: drives core/session over the modelled network with a modelled store.
class Server {
 public:
  /// What the app server hears: 201, or that nobody knows.
  using OnAnswer = std::function<void(bool accepted)>;

  Server(Kernel& kernel, Network& network, std::size_t apps, ServerModel model);

  void start();
  void stop(Stop how);
  bool up() const { return run_ != nullptr; }

  /// POST of a push; durable before it is answered.
  void post(std::size_t app, std::uint64_t push, Duration ttl, OnAnswer on_answer);

  bool online(std::size_t app) const;
  std::size_t waiting(std::size_t app) const { return store_.size(app, kernel_.now()); }
  /// The most pushes that one session had in flight.
  std::size_t in_flight_max() const { return in_flight_max_; }

 private:
  /// An app's line, before and after its CONNECT.
  struct Line {
    ConnectionPtr connection;
    base::Bytes unread;
    wire::mqtt::Version version = wire::mqtt::Version::k5;
    std::optional<std::size_t> app;  ///< since its CONNECT
  };
  using LinePtr = std::shared_ptr<Line>;
  struct Inbox {
    session::Session session;
    LinePtr line;  ///< where the session is online
    Instant armed = base::kNever;
  };
  /// What a crash takes away.
  struct Run {
    std::vector<Inbox> inboxes;
    std::vector<LinePtr> lines;
  };

  /// `task` after a moment, if this run of the process still lives then.
  template <class Task>
  void soon(Duration delay, Task task) {
    kernel_.after(delay, [weak = std::weak_ptr(run_), task = std::move(task)] {
      if (!weak.expired()) task();
    });
  }
  /// Lets an event happen to the session of an app, and carries out what it asks for.
  template <class Event>
  void event(std::size_t app, const char* name, Event happens);
  void carry_out(std::size_t app, const session::Action& action, session::Actions& out);
  void write(const LinePtr& line, const wire::mqtt::Packet& packet);
  void publish(std::size_t app, const session::Publish& publish, session::Actions& out);
  void arm(std::size_t app);

  void on_accept(const ConnectionPtr& connection);
  void on_change(const LinePtr& line);
  void on_connect(const LinePtr& line, const wire::mqtt::Connect& connect);
  void on_line_end(const LinePtr& line);
  void drop(const LinePtr& line);
  void commit(std::size_t app, StoredPush push);
  void flush_soon();

  Kernel& kernel_;
  Network& network_;
  ServerModel model_;
  session::Config config_;
  Store store_;
  std::shared_ptr<Run> run_;
  bool flushing_ = false;
  std::size_t in_flight_max_ = 0;
};

}  // namespace wakeline::sim
