// SPDX-License-Identifier: Apache-2.0
#include "linux/netlink_messages.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "io/netlink.h"

namespace wakeline::sys {
namespace {

using io::after_part;
using io::for_each_attribute;
using io::read_value;

bool leads_nowhere(unsigned flags) { return (flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) != 0; }

// RTA_VIA: a gateway of another family than the route's. Its bytes follow the family.
IpAddress via_address(base::BytesView value) {
  constexpr std::size_t kFamilySize = sizeof(std::uint16_t);
  if (value.size() <= kFamilySize) return {};
  return ip_address(value.data() + kFamilySize, value.size() - kFamilySize);
}

void take_next_hop(RouteMessage& route, std::uint16_t type, base::BytesView value) {
  if (type == RTA_OIF) read_value(value, route.interface);
  if (type == RTA_GATEWAY) route.gateway = ip_address(value.data(), value.size());
  if (type == RTA_VIA) route.gateway = via_address(value);
}

// RTA_MULTIPATH: a list of next hops, each with attributes of its own.
void add_next_hops(const RouteMessage& common, base::BytesView bytes,
                   std::vector<RouteMessage>& out) {
  rtnexthop hop = {};
  while (read_value(bytes, hop)) {
    if (hop.rtnh_len < sizeof hop || hop.rtnh_len > bytes.size()) return;
    RouteMessage route = common;
    route.interface = static_cast<std::uint32_t>(hop.rtnh_ifindex);
    for_each_attribute(
        bytes.subspan(sizeof hop, hop.rtnh_len - sizeof hop),
        [&](std::uint16_t type, base::BytesView value) { take_next_hop(route, type, value); });
    if (!leads_nowhere(hop.rtnh_flags)) out.push_back(route);
    bytes = after_part(bytes, hop.rtnh_len);
  }
}

}  // namespace

std::optional<AddressMessage> parse_address(base::BytesView body) {
  ifaddrmsg header = {};
  if (!read_value(body, header)) return std::nullopt;
  AddressMessage message;
  message.interface = header.ifa_index;
  message.global = header.ifa_scope < RT_SCOPE_LINK;
  std::uint32_t flags = header.ifa_flags;
  IpAddress peer;
  for_each_attribute(after_part(body, sizeof header),
                     [&](std::uint16_t type, base::BytesView value) {
                       // On a point-to-point link IFA_ADDRESS is the other end's.
                       if (type == IFA_LOCAL)
                         message.address = ip_address(value.data(), value.size());
                       if (type == IFA_ADDRESS) peer = ip_address(value.data(), value.size());
                       if (type == IFA_FLAGS) read_value(value, flags);
                     });
  if (message.address.family == 0) message.address = peer;
  const bool unusable =
      (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) != 0 && (flags & IFA_F_OPTIMISTIC) == 0;
  if (unusable || message.address.family == 0) return std::nullopt;
  return message;
}

std::vector<RouteMessage> parse_default_routes(base::BytesView body) {
  std::vector<RouteMessage> routes;
  rtmsg header = {};
  if (!read_value(body, header)) return routes;
  const bool is_default = header.rtm_dst_len == 0 && header.rtm_src_len == 0 &&
                          header.rtm_type == RTN_UNICAST &&
                          (header.rtm_family == AF_INET || header.rtm_family == AF_INET6) &&
                          (header.rtm_flags & RTM_F_CLONED) == 0;
  if (!is_default) return routes;
  RouteMessage route;
  route.family = header.rtm_family;
  base::BytesView next_hops;
  for_each_attribute(after_part(body, sizeof header),
                     [&](std::uint16_t type, base::BytesView value) {
                       take_next_hop(route, type, value);
                       if (type == RTA_PRIORITY) read_value(value, route.metric);
                       if (type == RTA_MULTIPATH) next_hops = value;
                     });
  if (!next_hops.empty()) {
    add_next_hops(route, next_hops, routes);
  } else if (!leads_nowhere(header.rtm_flags)) {
    routes.push_back(route);
  }
  return routes;
}

}  // namespace wakeline::sys
