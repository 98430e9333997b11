// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "linux/bus_service.h"
#include "linux/call_states.h"
#include "linux/system_bus.h"

namespace wakeline::sys {

/// The telephone's calls, from ModemManager and oFono, whichever is there (C30). Both are asked
/// for the calls that they have when they come, and tell of every change.
/// Source: org.freedesktop.ModemManager1.Modem.Voice, org.ofono.VoiceCallManager.
class CallWatch {
 public:
  /// `on_state`: the overall state has changed; on the loop's thread. `bus` outlives it; before the
  /// loop runs.
  CallWatch(SystemBus& bus, std::function<void(CallState)> on_state);
  CallWatch(const CallWatch&) = delete;
  CallWatch& operator=(const CallWatch&) = delete;

  CallState state() const { return last_; }
  /// A line for people: whose calls are heard of.
  std::string describe() const;

 private:
  void connect(Bus& bus);
  void connect_ofono(Bus& bus);
  void lose();
  void on_modem_manager(bool there);
  void read_modem_manager_call(const std::string& call);
  void on_ofono(bool there);
  void ask_ofono_calls(const std::string& modem);
  void add_ofono_call(sd_bus_message* message);
  void set(const std::string& call, CallState state);
  void publish();

  std::function<void(CallState)> on_state_;
  std::unique_ptr<BusService> modem_manager_;
  std::unique_ptr<BusService> ofono_;
  bool modem_manager_there_ = false;
  bool ofono_there_ = false;
  CallStates calls_;  ///< by "mm:PATH" and "of:PATH"
  CallState last_ = CallState::kNone;
};

}  // namespace wakeline::sys
