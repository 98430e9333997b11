// SPDX-License-Identifier: Apache-2.0
#include "linux/netlink_query.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace wakeline::sys {
namespace {

using base::ErrorCode;

constexpr timeval kAnswerBound = {1, 0};
// A host with more sockets or routes than that is none that apps sleep on.
constexpr std::size_t kMessagesMax = 1'000'000;
// The kernel fills dumps by up to 32 KiB a datagram. Source: NLMSG_GOODSIZE and
// max_recvmsg_len in net/netlink/af_netlink.c of Linux.
constexpr std::size_t kDatagramMax = 64 << 10;
// Errors go down to there. Source: MAX_ERRNO in include/linux/err.h of Linux.
constexpr int kErrnoMax = 4'095;

// A value at the front of the bytes, which need not be aligned for it; false: too short.
template <class T>
bool read_value(base::BytesView bytes, T& value) {
  if (bytes.size() < sizeof value) return false;
  std::memcpy(&value, bytes.data(), sizeof value);
  return true;
}

// Netlink's parts are padded to four bytes; the last one may lack the padding.
base::BytesView after_part(base::BytesView bytes, std::size_t size) {
  return bytes.subspan(std::min(bytes.size(), (size + 3) & ~std::size_t{3}));
}

// Calls `use` with each attribute; what is malformed ends the list.
template <class Use>
void for_each_attribute(base::BytesView bytes, Use use) {
  rtattr header = {};
  while (read_value(bytes, header)) {
    if (header.rta_len < sizeof header || header.rta_len > bytes.size()) return;
    const auto type = static_cast<std::uint16_t>(header.rta_type & NLA_TYPE_MASK);
    use(type, bytes.subspan(sizeof header, header.rta_len - sizeof header));
    bytes = after_part(bytes, header.rta_len);
  }
}

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

base::Result<bool> read_netlink(base::BytesView datagram, const OnNetlinkMessage& on_message) {
  nlmsghdr header = {};
  while (read_value(datagram, header)) {
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size()) {
      return base::fail(ErrorCode::kMalformed, "netlink");
    }
    if ((header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) return base::fail(ErrorCode::kBusy, "netlink");
    const auto body = datagram.subspan(sizeof header, header.nlmsg_len - sizeof header);
    if (header.nlmsg_type == NLMSG_DONE) return true;
    if (header.nlmsg_type == NLMSG_ERROR) {
      int error = 0;
      if (!read_value(body, error) || error > 0 || error < -kErrnoMax)
        return base::fail(ErrorCode::kMalformed, "netlink");
      if (error == 0) return true;  // the acknowledgement
      if (error == -EOPNOTSUPP) return base::fail(ErrorCode::kUnsupported, "netlink", -error);
      return base::fail(base::os_error("netlink", -error));
    }
    if (header.nlmsg_type >= NLMSG_MIN_TYPE) on_message(header.nlmsg_type, body);
    datagram = after_part(datagram, header.nlmsg_len);
  }
  return false;
}

base::Result<NetlinkQuery> NetlinkQuery::open(int protocol) {
  io::UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!fd) return base::fail(base::os_error("netlink socket", errno));
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerBound, sizeof kAnswerBound) != 0) {
    return base::fail(base::os_error("netlink socket", errno));
  }
  return NetlinkQuery(std::move(fd));
}

base::Result<void> NetlinkQuery::ask(std::uint16_t type, std::uint16_t flags, base::BytesView body,
                                     const OnNetlinkMessage& on_message) {
  nlmsghdr header = {};
  header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + body.size());
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  header.nlmsg_seq = ++sequence_;
  base::Bytes request(sizeof header);
  std::memcpy(request.data(), &header, sizeof header);
  request.insert(request.end(), body.begin(), body.end());
  if (::send(fd_.get(), request.data(), request.size(), 0) < 0) {
    return base::fail(base::os_error("netlink send", errno));
  }
  base::Bytes datagram(kDatagramMax);
  for (std::size_t count = 0; count < kMessagesMax;) {
    const ssize_t size = ::recv(fd_.get(), datagram.data(), datagram.size(), MSG_TRUNC);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return base::fail(ErrorCode::kTimeout, "netlink");
    if (size < 0) return base::fail(base::os_error("netlink receive", errno));
    if (static_cast<std::size_t>(size) > datagram.size()) {
      return base::fail(ErrorCode::kTooLarge, "netlink");
    }
    const auto bytes = base::BytesView(datagram).first(static_cast<std::size_t>(size));
    // What is left of an earlier question that failed half-way.
    nlmsghdr first = {};
    if (!read_value(bytes, first) || first.nlmsg_seq != sequence_) continue;
    const auto done = read_netlink(bytes, [&](std::uint16_t message, base::BytesView content) {
      ++count;
      on_message(message, content);
    });
    if (!done) return base::fail(done.error());
    if (*done) return {};
  }
  return base::fail(ErrorCode::kTooLarge, "netlink");
}

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
