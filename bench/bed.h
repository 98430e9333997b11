// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/program.h"
#include "host/control_client.h"
#include "io/unique_fd.h"

namespace wakeline::bench {

using cli::Outcome;

/// CLOCK_MONOTONIC in nanoseconds: what both ends of a measurement read.
std::int64_t monotonic_ns();

/// A blocking listening TCP socket on a free port of loopback.
class Door {
 public:
  static Outcome<Door> open();
  std::uint16_t port() const { return port_; }
  /// The next connection, TCP_NODELAY set. Fails after `timeout_ms`.
  Outcome<io::UniqueFd> accept(int timeout_ms) const;

 private:
  io::UniqueFd fd_;
  std::uint16_t port_ = 0;
};

/// One `bench-app`, seen from its server: the connection over which it is rung.
struct Line {
  io::UniqueFd socket;
  std::string app;  ///< its id at the host; empty: it runs without one
};

/// Sends one byte and waits for the answer of `bench-app`: the moment at which its `recv` had
/// returned. Returns: nanoseconds from before `send` to then.
Outcome<std::int64_t> ring(const Line& line);

/// What one host of a benchmark is made with.
struct BedOptions {
  std::string name;     ///< of its folder
  std::string freezer;  ///< "cgroup" or "sigstop"
  int apps = 1;
  std::vector<std::string> profile;  ///< "linger=0ms", …
  int lines = 1;                     ///< tagged connections of each app
  std::string environment{};         ///< of each app: "KEY=value;", for its manifest
  /// Other apps in the place of bench apps, id and manifest; `make` waits for none of them.
  std::map<std::string, std::string> manifests{};
};

/// A real host in a folder of its own with `apps` bench apps, each with `lines` tagged connections
/// to `door`, or with the apps of `manifests`. Destroying it ends all.
class Bed {
 public:
  /// Starts the host, waits until every app is connected, tagged and suspended. `progress` is
  /// called with the number of apps asleep.
  static Outcome<std::unique_ptr<Bed>> make(const BedOptions& options, const Door& door);
  ~Bed();

  const std::vector<Line>& lines() const { return lines_; }
  /// SIGKILL for the host alone, as a crash of it; its apps live on.
  void crash_host();
  /// A host in the place of one that has crashed, in the same folder, that has answered.
  Outcome<void> restart_host();
  pid_t host_pid() const { return host_.pid(); }
  host::ControlClient& control() { return *control_; }
  /// Waits until the ledger says that `app` was suspended after the last line read. `timeout` in
  /// all.
  Outcome<void> await_suspended(const std::string& app,
                                base::Duration timeout = std::chrono::seconds(10));
  /// Waits until every app sleeps, and until there were `wakes` wakes in all since the host's
  /// start.
  Outcome<void> await_all_suspended(int wakes);
  /// Waits until the host says of every app that it sleeps.
  Outcome<void> await_asleep();
  /// Waits for one more `event` of `app`.
  Outcome<void> await_event(const std::string& app, const std::string& event,
                            base::Duration timeout = std::chrono::seconds(10));
  /// The next connection of an app at the door, with its id read from it.
  static Outcome<Line> welcome(const Door& door);

 private:
  Bed() = default;

  /// Starts it and waits for its ready file.
  Outcome<void> start_host();
  std::string ready_file() const { return folder_ + "/ready"; }
  std::string log_file() const { return folder_ + "/host.log"; }

  std::string folder_;
  std::vector<std::string> command_;  ///< the host's
  bool keeps_folder_ = false;
  int apps_ = 0;
  cli::Program host_;
  std::optional<host::ControlClient> control_;
  std::vector<Line> lines_;
};

/// The path of a program that is built beside this one.
std::string beside(const std::string& program);

}  // namespace wakeline::bench
