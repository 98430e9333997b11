// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "linux/bus_service.h"
#include "linux/system_bus.h"

namespace wakeline::sys {

/// NetworkManager's view of the network: a hint, never a reason to do nothing (C31). What the
/// kernel says (network.h) counts; this only says when to look, and a word for people.
/// Source: org.freedesktop.NetworkManager.
class NetworkManagerHint {
 public:
  /// `on_hint`: its state or its primary connection has changed; on the loop's thread. `bus`
  /// outlives it; before the loop runs.
  NetworkManagerHint(SystemBus& bus, std::function<void()> on_hint);
  NetworkManagerHint(const NetworkManagerHint&) = delete;
  NetworkManagerHint& operator=(const NetworkManagerHint&) = delete;

  /// "connected", "without internet", …; empty where it is not there.
  const std::string& word() const { return word_; }
  /// Of the primary connection: "wifi", "ethernet", "cellular"; empty where unknown.
  const std::string& kind() const { return kind_; }
  bool metered() const { return metered_; }

 private:
  void connect(Bus& bus);
  void forget();
  bool take(sd_bus_message* properties);

  std::function<void()> on_hint_;
  std::unique_ptr<BusService> service_;
  std::string word_;
  std::string kind_;
  bool metered_ = false;
};

}  // namespace wakeline::sys
