// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace wakeline {

/// The device's network as the host knows it (C31): addresses and routes are the truth. Without a
/// route nothing is reachable as far as is known; that is no reason not to try.
struct NetworkFacts {
  /// One address of an interface.
  struct Address {
    std::string interface = {};  ///< "wlan0"
    std::string address = {};    ///< "192.0.2.7", "2001:db8::7"
    friend bool operator==(const Address&, const Address&) = default;
  };
  /// One default route.
  struct Route {
    std::string interface = {};  ///< "wlan0"
    std::string gateway = {};    ///< empty: point to point
    friend bool operator==(const Route&, const Route&) = default;
  };

  std::vector<Address> addresses = {};  ///< of global scope, in a stable order
  std::vector<Route> routes = {};       ///< default routes, the preferred one first
  std::string kind = {};  ///< a hint: "wifi", "ethernet", "cellular"; empty where unknown
  bool metered = false;   ///< a hint
  friend bool operator==(const NetworkFacts&, const NetworkFacts&) = default;
};

}  // namespace wakeline
