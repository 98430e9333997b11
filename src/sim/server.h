// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "core/session/session.h"
#include "sim/judge.h"
#include "sim/network.h"
#include "sim/scenario.h"
#include "sim/store.h"

namespace wakeline::sim {

/// The server's name of an app's inbox: "app0", "app1", …
std::string app_name(std::size_t app);

/// The push server: drives core/session over the modelled network with a modelled store.
class Server {
 public:
  /// What the app server hears: 201, or that nobody knows.
  using OnAnswer = std::function<void(bool accepted)>;

  Server(Kernel& kernel, Network& network, Judge& judge, std::size_t apps, ServerModel model,
         Bug bug);

  void start();
  void stop(Stop how);
  /// Another process of the same machine takes over: every line stays, and every session goes on
  /// from its bytes (session::Session::freeze). What was under way in the old one is lost with it.
  void upgrade();
  bool up() const { return run_ != nullptr; }

  /// POST of a push; durable before it is answered.
  void post(std::size_t app, std::uint64_t push, Duration ttl, OnAnswer on_answer);

  bool online(std::size_t app) const;
  std::size_t waiting(std::size_t app) const { return store_.size(app, wall()); }
  /// Sets the machine's wall clock, by which pushes expire.
  void jump_clock(Duration by) { clock_offset_ += by; }
  Instant wall() const { return kernel_.now() + clock_offset_; }
  /// Connections that it had no room for.
  std::uint64_t turned_away() const { return turned_away_; }
  /// The most pushes that one session had in flight.
  std::size_t in_flight_max() const { return in_flight_max_; }

 private:
  /// An app's line, before and after its CONNECT.
  struct Line {
    ConnectionPtr connection;
    base::Bytes unread;
    wire::mqtt::Version version = wire::mqtt::Version::k5;
    std::optional<std::size_t> app;  ///< since its CONNECT
    Instant admitted_at{};
    bool probe = false;  ///< of a link that tries out what a NAT bears: no session
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
  void await(const LinePtr& line);
  void on_change(const LinePtr& line);
  void on_connect(const LinePtr& line, const wire::mqtt::Connect& connect);
  void on_line_end(const LinePtr& line);
  void drop(const LinePtr& line);
  void check_sessions(std::size_t app);
  void commit(std::size_t app, StoredPush push);
  void flush_soon();

  Kernel& kernel_;
  Network& network_;
  Judge& judge_;
  ServerModel model_;
  Bug bug_;
  base::Random random_;
  session::Config config_;
  Store store_;
  std::shared_ptr<Run> run_;
  bool flushing_ = false;
  Duration clock_offset_{};
  Instant next_admission_{};
  std::uint64_t turned_away_ = 0;
  std::size_t in_flight_max_ = 0;
};

}  // namespace wakeline::sim
