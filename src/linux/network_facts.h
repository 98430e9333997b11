// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <vector>

namespace wakeline::sys {

/// An IPv4 or IPv6 address; one that is IPv4 mapped into IPv6 is kept as the IPv4 address it means.
struct IpAddress {
  std::uint8_t family = 0;               ///< AF_INET, AF_INET6; 0: none
  std::array<std::uint8_t, 16> bytes{};  ///< network order; the first four with AF_INET
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
};
/// "192.0.2.1", "2001:db8::1"; empty for none.
std::string to_string(const IpAddress& address);
/// From the bytes of a packet or socket address: 4 or 16 of them. Any other size gives none.
IpAddress ip_address(const std::uint8_t* bytes, std::size_t size);

/// An address that this machine has and that may be used (no longer tentative).
struct LocalAddress {
  IpAddress address;
  std::string interface;
  bool global = false;  ///< its scope reaches beyond the link
  friend auto operator<=>(const LocalAddress&, const LocalAddress&) = default;
};

/// A way out to everywhere. Its metric is in its place in the list, not in its value: a
/// metric that changes without changing the order changes nothing.
struct DefaultRoute {
  std::uint8_t family = 0;
  std::string interface;
  IpAddress gateway;  ///< none on a point-to-point link
  friend auto operator<=>(const DefaultRoute&, const DefaultRoute&) = default;
};

/// What this machine's network is made of, as far as a connection cares (C31).
struct NetworkFacts {
  std::vector<LocalAddress> addresses;  ///< sorted
  std::vector<DefaultRoute> routes;     ///< preferred first, IPv4 before IPv6
  friend bool operator==(const NetworkFacts&, const NetworkFacts&) = default;
};

/// The part by which two networks differ for an app: the default routes, and the global addresses
/// on their interfaces. Where there is no default route (a closed network), every global address
/// but those of the loopback counts.
NetworkFacts essence(const NetworkFacts& facts);
/// Addresses that were on some interface and are on none now; sorted.
std::vector<IpAddress> lost_addresses(const NetworkFacts& before, const NetworkFacts& after);
/// "192.0.2.7 on wlan0; by 192.0.2.1 on wlan0", "no address": for people.
std::string to_line(const NetworkFacts& facts);

}  // namespace wakeline::sys
