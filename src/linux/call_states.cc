// SPDX-License-Identifier: Apache-2.0
#include "linux/call_states.h"

#include <algorithm>

namespace wakeline::sys {
namespace {

constexpr std::size_t kCallsMax = 64;

// Source: MMCallState in ModemManager-enums.h.
enum ModemManagerCall : std::int64_t {
  kDialing = 1,
  kRingingOut = 2,
  kRingingIn = 3,
  kActiveCall = 4,
  kHeld = 5,
  kWaiting = 6,
};

}  // namespace

std::string_view name(CallState state) {
  switch (state) {
    case CallState::kIncoming:
      return "incoming";
    case CallState::kActive:
      return "active";
    case CallState::kNone:
      break;
  }
  return "none";
}

CallState modem_manager_state(std::int64_t number) {
  switch (number) {
    case kRingingIn:
    case kWaiting:
      return CallState::kIncoming;
    case kDialing:
    case kRingingOut:
    case kActiveCall:
    case kHeld:
      return CallState::kActive;
    default:
      return CallState::kNone;
  }
}

CallState ofono_state(std::string_view word) {
  if (word == "incoming" || word == "waiting") return CallState::kIncoming;
  if (word == "active" || word == "held" || word == "dialing" || word == "alerting") {
    return CallState::kActive;
  }
  return CallState::kNone;
}

void CallStates::set(const std::string& call, CallState state) {
  if (state == CallState::kNone) {
    calls_.erase(call);
  } else if (calls_.size() < kCallsMax || calls_.contains(call)) {
    calls_[call] = state;
  }
}

void CallStates::forget(std::string_view prefix) {
  std::erase_if(calls_, [&](const auto& call) { return call.first.starts_with(prefix); });
}

CallState CallStates::overall() const {
  const auto any = [&](CallState state) {
    return std::ranges::any_of(calls_, [&](const auto& call) { return call.second == state; });
  };
  if (any(CallState::kActive)) return CallState::kActive;
  return any(CallState::kIncoming) ? CallState::kIncoming : CallState::kNone;
}

}  // namespace wakeline::sys
