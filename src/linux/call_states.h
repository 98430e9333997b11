// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace wakeline::sys {

/// What the telephone is doing, over all its calls (C30).
enum class CallState : std::uint8_t {
  kNone,      ///< no call, or the last one has ended
  kIncoming,  ///< it rings, and nobody speaks
  kActive,    ///< somebody speaks, is held, or is being called
};
std::string_view name(CallState);

/// ModemManager's number of a call's state (MMCallState); what is unknown is no call.
CallState modem_manager_state(std::int64_t number);
/// oFono's word: "incoming", "active", "held", "dialing", "alerting", "waiting", "disconnected".
CallState ofono_state(std::string_view word);

/// The calls of all modems, each by the path of its object. At most 64: a modem has seven.
class CallStates {
 public:
  /// `state` kNone forgets the call.
  void set(const std::string& call, CallState state);
  /// Forgets the calls whose path begins so: of a service that has gone.
  void forget(std::string_view prefix);
  /// Speaking goes before ringing: a second caller of a busy telephone changes nothing.
  CallState overall() const;

 private:
  std::map<std::string, CallState, std::less<>> calls_;
};

}  // namespace wakeline::sys
