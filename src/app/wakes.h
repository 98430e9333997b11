// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <wakeline/error.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "app/host_channel.h"
#include "base/time.h"
#include "io/deadline_timer.h"

namespace wakeline::app {

/// The wakes that this process has asked for (C40), each once. The host keeps them; where it is not
/// there, a timer does, at the beginning of the window. On the loop's thread.
class Wakes {
 public:
  using Key = std::uint64_t;

  /// Errors: kOs.
  static base::Result<std::unique_ptr<Wakes>> create(io::Loop& loop);

  /// Where the host is found; outlives this. Called once, before all else.
  void attach(HostChannel& channel) { channel_ = &channel; }
  void on_host_ready();
  void on_host_absent();
  void on_host_due(std::uint64_t host_id);

  /// `on_due` runs once, in [earliest, latest] from now. `done` with the key.
  /// Errors: kInvalidArgument (latest < earliest, below zero, over 49 days), what the host says.
  void request(std::chrono::milliseconds earliest, std::chrono::milliseconds latest,
               std::function<void()> on_due, std::function<void(Result<Key>)> done);
  void cancel(Key key);

 private:
  struct Wake {
    base::Instant earliest;
    base::Instant latest;
    std::function<void()> on_due;
    std::uint64_t host_id = 0;  ///< 0: the host does not know it
    bool asked = false;         ///< and its answer is awaited
  };

  Wakes() = default;
  void ask(Key key, std::function<void(Result<Key>)> done);
  void run_due();
  void arm();

  HostChannel* channel_ = nullptr;
  std::unique_ptr<io::DeadlineTimer> timer_;
  Key last_key_ = 0;
  std::map<Key, Wake> wakes_;
};

}  // namespace wakeline::app
