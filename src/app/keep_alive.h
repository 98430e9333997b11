// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <wakeline/error.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "app/host_channel.h"
#include "app/keep_alive_times.h"
#include "base/time.h"
#include "io/deadline_timer.h"

namespace wakeline::app {

/// The shortest timeout where no host says another (C15).
inline constexpr std::chrono::seconds kKeepAliveMin{600};

/// Makes one keep-alive handler of the host (C16) out of several in this process: the app's own and
/// one of each push client. The host is asked for the shortest timeout of all; where it is not
/// there, or refuses, a timer takes its place. A run is one of all handlers. On the loop's thread.
class KeepAlive {
 public:
  using Key = KeepAliveTimes::Key;
  /// Called for each run; it calls `done` when the handler has returned.
  using OnRun = std::function<void(std::function<void()> done)>;

  /// Errors: kOs.
  static base::Result<std::unique_ptr<KeepAlive>> create(io::Loop& loop);

  /// Where the host is found; outlives this. Called once, before all else.
  void attach(HostChannel& channel) { channel_ = &channel; }
  void on_host_ready(std::chrono::seconds min);
  void on_host_absent();
  void on_host_run();

  /// Adds or replaces the handler of `key`. `done`: whether it replaced one.
  /// Errors: kTooShort, and what the host says; the former handler stays then.
  void set(Key key, std::chrono::seconds timeout, OnRun on_run,
           std::function<void(Result<bool>)> done);
  /// As `set`, but a host's refusal leaves it to the timer.
  void set_anyway(Key key, std::chrono::seconds timeout, OnRun on_run);
  void clear(Key key);

 private:
  KeepAlive() = default;
  bool told_host() const;
  void tell_host();
  void ask(std::function<void(Result<std::uint64_t>)> answered);
  void run_late();
  void run(const std::vector<Key>& keys, const std::function<void()>& done);
  void run_all(bool for_host);
  void arm();

  HostChannel* channel_ = nullptr;
  std::unique_ptr<io::DeadlineTimer> timer_;
  std::chrono::seconds min_ = kKeepAliveMin;
  std::map<Key, OnRun> handlers_;
  KeepAliveTimes times_;
  bool by_host_ = false;           ///< the host runs them
  std::chrono::seconds asked_{0};  ///< of the host, last
  base::Instant host_due_{};       ///< when the host runs them at the latest
  std::uint64_t runs_ = 0;         ///< for the host
};

}  // namespace wakeline::app
