// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "host/driver.h"
#include "host/reclaims.h"
#include "io/loop.h"
#include "linux/call_watch.h"
#include "linux/ipc_watch.h"
#include "linux/network.h"
#include "linux/network_manager.h"
#include "linux/sleep_watch.h"
#include "linux/system_bus.h"

namespace wakeline::host {

/// What goes on around the apps, brought to the driver: the network (C31), calls (C30), the
/// machine's sleep (C18), local sockets that fill up, and the memory of apps that sleep long.
/// What a machine does not have is left out, with a line in the log.
class Surroundings {
 public:
  /// Sets the driver's hooks; before its `boot`. `loop` and `driver` outlive it. Errors: kOs.
  static base::Result<std::unique_ptr<Surroundings>> create(io::Loop& loop, Driver& driver);
  ~Surroundings();
  Surroundings(const Surroundings&) = delete;
  Surroundings& operator=(const Surroundings&) = delete;

  /// The network, a line for people. What the services of the bus tell is logged when they have
  /// answered.
  std::string describe() const;

 private:
  Surroundings(io::Loop& loop, Driver& driver);
  base::Result<void> open();
  void open_network();
  void set_hooks();
  void tell_network();
  void on_asleep(AppRecord& app);
  void on_ipc(std::uint64_t app);

  io::Loop& loop_;
  Driver& driver_;
  sys::SystemBus bus_;
  std::unique_ptr<sys::NetworkWatch> network_;  ///< null: the kernel does not tell
  base::Error network_error_;
  sys::NetworkManagerHint network_manager_;
  sys::CallWatch calls_;
  std::unique_ptr<sys::SleepWatch> sleep_;
  std::unique_ptr<sys::IpcWatch> ipc_;
  Reclaims reclaims_;
};

}  // namespace wakeline::host
