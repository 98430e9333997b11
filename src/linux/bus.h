// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <systemd/sd-bus.h>

#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "io/loop.h"
#include "linux/fd_watch.h"

namespace wakeline::sys {

template <auto kFree>
struct BusFree {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using BusMessage = std::unique_ptr<sd_bus_message, BusFree<sd_bus_message_unref>>;
using BusSlot = std::unique_ptr<sd_bus_slot, BusFree<sd_bus_slot_unref>>;
using BusHandle = std::unique_ptr<sd_bus, BusFree<sd_bus_close_unref>>;

/// The error of an sd-bus call, which returns a negative errno.
base::Error bus_error(const char* where, int negative_errno);
/// A new connection, not yet authenticated. `address` empty: the session bus of the environment.
/// Errors: kNotFound (no session bus is named, or nobody is there), kUnreachable, kPermission, kOs.
base::Result<BusHandle> open_bus(const std::string& address);
/// The same for the system bus.
base::Result<BusHandle> open_system_bus(const std::string& address);

/// A D-Bus connection on the loop. It waits for descriptors only, never for time: who makes a call
/// bounds it.
class Bus {
 public:
  /// `on_lost` is called at most once, on the loop's thread; it may destroy the bus.
  /// Errors: as open_bus.
  static base::Result<std::unique_ptr<Bus>> open(io::Loop& loop, const std::string& address,
                                                 std::function<void(base::Error)> on_lost);
  /// The same for the system bus.
  static base::Result<std::unique_ptr<Bus>> open_system(io::Loop& loop, const std::string& address,
                                                        std::function<void(base::Error)> on_lost);

  sd_bus* native() const { return handle_.get(); }
  /// Sends what was queued and handles what came. Call it after every sd_bus_… call that queues.
  void pump();
  /// The same at the loop's next turn: no handler runs within this call.
  void pump_later();
  /// `on_lost` is not called any more: for a bus that is given up but destroyed later.
  void forget_owner() { on_lost_ = nullptr; }

 private:
  static base::Result<std::unique_ptr<Bus>> attach(io::Loop& loop, base::Result<BusHandle> handle,
                                                   std::function<void(base::Error)> on_lost);
  Bus(io::Loop& loop, BusHandle handle, std::function<void(base::Error)> on_lost)
      : loop_(loop), handle_(std::move(handle)), on_lost_(std::move(on_lost)) {}

  io::Loop& loop_;
  BusHandle handle_;
  std::function<void(base::Error)> on_lost_;
  std::unique_ptr<FdWatch> watch_;  // before the handle goes, whose fd it watches
  bool pumping_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace wakeline::sys
