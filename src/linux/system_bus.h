// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "io/deadline_timer.h"
#include "io/loop.h"
#include "linux/bus.h"

namespace wakeline::sys {

/// The system bus, on which the machine's services live (logind, modems, network managers), kept:
/// a bus that goes away is tried again, a minute apart at last. Where there never was one, nothing
/// is tried again: a host on a machine without D-Bus waits for nothing.
class SystemBus {
 public:
  /// Users of it set themselves up anew for each connection. Both run on the loop's thread; after
  /// `on_lost` nothing of the old bus may be used. It is also called when there never was a bus.
  struct User {
    std::function<void(Bus&)> on_connected;
    std::function<void()> on_lost;
  };

  /// `address` empty: as the environment says. Connects at the loop's next turn.
  SystemBus(io::Loop& loop, std::string address);
  SystemBus(const SystemBus&) = delete;
  SystemBus& operator=(const SystemBus&) = delete;

  /// Before the loop runs. The user's handlers are called until the bus is destroyed.
  void add(User user) { users_.push_back(std::move(user)); }
  /// Why it is not there; nullopt while it is (or has not been tried).
  std::optional<base::Error> missing() const { return error_; }

 private:
  void connect();
  void lose(base::Error error);
  void later(std::function<void()> what);

  io::Loop& loop_;
  std::string address_;
  std::vector<User> users_;
  std::unique_ptr<Bus> bus_;
  std::unique_ptr<io::DeadlineTimer> retry_;
  base::Duration delay_;
  std::optional<base::Error> error_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace wakeline::sys
