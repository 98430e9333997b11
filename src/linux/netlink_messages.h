// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "linux/network_facts.h"

/// What src/linux reads from the messages of the kernel's routing netlink. Source: rtnetlink(7),
/// <linux/rtnetlink.h>.
namespace wakeline::sys {

/// An address of RTM_NEWADDR; interfaces come as numbers.
struct AddressMessage {
  IpAddress address;
  std::uint32_t interface = 0;
  bool global = false;
  friend bool operator==(const AddressMessage&, const AddressMessage&) = default;
};
/// Nullopt: not usable (tentative, failed), or not of an IP family, or malformed.
std::optional<AddressMessage> parse_address(base::BytesView body);

/// One default route of RTM_NEWROUTE.
struct RouteMessage {
  std::uint8_t family = 0;
  std::uint32_t metric = 0;
  std::uint32_t interface = 0;
  IpAddress gateway;
  friend bool operator==(const RouteMessage&, const RouteMessage&) = default;
};
/// Empty: no default route, or one that leads nowhere (dead, unreachable, without a carrier). More
/// than one: a route over several next hops.
std::vector<RouteMessage> parse_default_routes(base::BytesView body);

}  // namespace wakeline::sys
