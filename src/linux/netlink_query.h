// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "io/unique_fd.h"
#include "linux/network_facts.h"

/// What src/linux reads from the kernel's routing and socket-diagnosis netlink. Source:
/// rtnetlink(7), netlink(7), sock_diag(7), <linux/rtnetlink.h>.
namespace wakeline::sys {

/// One message: its type and the bytes after its header.
using OnNetlinkMessage = std::function<void(std::uint16_t type, base::BytesView body)>;

/// Splits one datagram into its messages. Returns: true when the last one of a dump was in it.
/// Errors: kMalformed; kOs with the errno that the kernel answered; kBusy (the dump was disturbed:
///         ask again).
base::Result<bool> read_netlink(base::BytesView datagram, const OnNetlinkMessage& on_message);

/// A socket for questions; each is answered within a second or fails.
class NetlinkQuery {
 public:
  /// `protocol`: NETLINK_ROUTE, NETLINK_SOCK_DIAG. Errors: kUnsupported, kPermission, kOs.
  static base::Result<NetlinkQuery> open(int protocol);
  /// Sends one request (header and `body`), and reads until its end or acknowledgement.
  /// Errors: as read_netlink; kTimeout; kTooLarge (over a million messages).
  base::Result<void> ask(std::uint16_t type, std::uint16_t flags, base::BytesView body,
                         const OnNetlinkMessage& on_message);

 private:
  explicit NetlinkQuery(io::UniqueFd fd) : fd_(std::move(fd)) {}
  io::UniqueFd fd_;
  std::uint32_t sequence_ = 0;
};

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
