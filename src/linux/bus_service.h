// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <list>
#include <string>

#include "base/error.h"
#include "linux/bus.h"

namespace wakeline::sys {

/// One service on a bus, by its well-known name: whether somebody owns it, its signals, calls to
/// it. It never starts a service that does not run. Handlers run on the loop's thread, within the
/// bus's turn; they may call, and must not destroy the service.
class BusService {
 public:
  using OnMessage = std::function<void(sd_bus_message*)>;
  /// The message is null and the error set when the call failed.
  using OnAnswer = std::function<void(sd_bus_message*, base::Error)>;
  using Append = std::function<int(sd_bus_message*)>;

  /// `on_owner`: once with what is found, then at every change; a new owner is told as gone and
  /// come. `bus` outlives it.
  BusService(Bus& bus, std::string name, std::function<void(bool)> on_owner);
  BusService(const BusService&) = delete;
  BusService& operator=(const BusService&) = delete;

  /// `path` empty: any object of the service.
  void on_signal(const std::string& path, const char* interface, const char* member,
                 OnMessage handler);
  /// `append` (may be null) writes the arguments. A service that never answers is never heard of
  /// again: nothing waits for it.
  void call(const std::string& path, const char* interface, const char* method,
            const Append& append, OnAnswer on_answer);
  /// The same to the service's org.freedesktop.DBus.Properties.Get.
  void get(const std::string& path, const char* interface, const char* property,
           OnAnswer on_answer);

 private:
  struct Pending {
    BusService& service;
    OnAnswer on_answer;
    BusSlot slot{};
  };
  struct Match {
    OnMessage handler;
    BusSlot slot{};
  };
  void match(const std::string& rule, OnMessage handler);
  void start(BusMessage message, OnAnswer on_answer);
  static int answered(sd_bus_message* message, void* pending, sd_bus_error*);

  Bus& bus_;
  std::string name_;
  std::function<void(bool)> on_owner_;
  std::list<Match> matches_;    // lists: sd-bus keeps the address of each
  std::list<Pending> pending_;  // answers that are awaited
};

/// Calls `use(key)` for each entry of an a{sv} at the message's front, which enters the variant if
/// it wants it; what it leaves is skipped. A message of another shape ends the walk.
void for_each_property(sd_bus_message* message, const std::function<void(const char* key)>& use);
/// The string (types s, o) or number in the variant at the front. False: another type.
bool read_variant(sd_bus_message* message, std::string& value);
bool read_variant(sd_bus_message* message, std::int64_t& value);

}  // namespace wakeline::sys
