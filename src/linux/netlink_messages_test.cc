// SPDX-License-Identifier: Apache-2.0
#include "linux/netlink_messages.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>

namespace wakeline::sys {
namespace {

/// Messages as the kernel writes them.
class Writer {
 public:
  template <class T>
  Writer& value(const T& part) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&part);
    bytes_.insert(bytes_.end(), bytes, bytes + sizeof part);
    while (bytes_.size() % 4 != 0) bytes_.push_back(0);
    return *this;
  }
  Writer& attribute(std::uint16_t type, const base::Bytes& content) {
    value(rtattr{static_cast<std::uint16_t>(sizeof(rtattr) + content.size()), type});
    bytes_.insert(bytes_.end(), content.begin(), content.end());
    while (bytes_.size() % 4 != 0) bytes_.push_back(0);
    return *this;
  }
  Writer& attribute(std::uint16_t type, std::uint32_t number) {
    base::Bytes content(sizeof number);
    std::memcpy(content.data(), &number, sizeof number);
    return attribute(type, content);
  }
  const base::Bytes& bytes() const { return bytes_; }

 private:
  base::Bytes bytes_;
};

ifaddrmsg address_header(std::uint8_t flags = 0, std::uint8_t scope = RT_SCOPE_UNIVERSE) {
  return {AF_INET, 24, flags, scope, 3};
}
rtmsg route_header() {
  rtmsg header = {};
  header.rtm_family = AF_INET;
  header.rtm_type = RTN_UNICAST;
  header.rtm_table = RT_TABLE_MAIN;
  return header;
}
const base::Bytes kOwn = {192, 0, 2, 7};
const base::Bytes kOther = {192, 0, 2, 1};
IpAddress ip(const base::Bytes& bytes) { return ip_address(bytes.data(), bytes.size()); }

TEST(ParseAddress, TakesTheOwnEndOfAPointToPointLink) {
  const auto message = parse_address(Writer()
                                         .value(address_header())
                                         .attribute(IFA_ADDRESS, kOther)
                                         .attribute(IFA_LOCAL, kOwn)
                                         .bytes());
  EXPECT_EQ(message, (AddressMessage{ip(kOwn), 3, true}));
  const auto plain = parse_address(
      Writer().value(address_header(0, RT_SCOPE_LINK)).attribute(IFA_ADDRESS, kOwn).bytes());
  EXPECT_EQ(plain, (AddressMessage{ip(kOwn), 3, false}));
}

TEST(ParseAddress, LeavesOutWhatCannotBeUsedYet) {
  EXPECT_EQ(
      parse_address(
          Writer().value(address_header(IFA_F_TENTATIVE)).attribute(IFA_ADDRESS, kOwn).bytes()),
      std::nullopt);
  // The longer flags are the true ones.
  EXPECT_EQ(parse_address(Writer()
                              .value(address_header())
                              .attribute(IFA_ADDRESS, kOwn)
                              .attribute(IFA_FLAGS, IFA_F_DADFAILED)
                              .bytes()),
            std::nullopt);
  EXPECT_EQ(parse_address(Writer().value(address_header()).bytes()), std::nullopt);
}

TEST(ParseRoute, TakesDefaultRoutesThatLeadSomewhere) {
  const auto parse = [](const rtmsg& header) {
    return parse_default_routes(Writer()
                                    .value(header)
                                    .attribute(RTA_GATEWAY, kOther)
                                    .attribute(RTA_OIF, 3)
                                    .attribute(RTA_PRIORITY, 600)
                                    .bytes());
  };
  EXPECT_EQ(parse(route_header()), (std::vector<RouteMessage>{{AF_INET, 600, 3, ip(kOther)}}));
  for (int kind = 0; kind < 4; ++kind) {
    rtmsg header = route_header();
    if (kind == 0) header.rtm_dst_len = 24;
    if (kind == 1) header.rtm_type = RTN_UNREACHABLE;
    if (kind == 2) header.rtm_flags = RTNH_F_LINKDOWN;
    if (kind == 3) header.rtm_family = AF_MPLS;
    EXPECT_EQ(parse(header), std::vector<RouteMessage>{}) << kind;
  }
}

TEST(ParseRoute, TakesEachNextHop) {
  Writer hops;
  const auto hop = [&](std::uint8_t flags, int interface) {
    hops.value(rtnexthop{static_cast<std::uint16_t>(sizeof(rtnexthop) + 8), flags, 0, interface});
    hops.attribute(RTA_GATEWAY, kOther);
  };
  hop(0, 3);
  hop(RTNH_F_DEAD, 4);
  hop(0, 5);
  EXPECT_EQ(parse_default_routes(
                Writer().value(route_header()).attribute(RTA_MULTIPATH, hops.bytes()).bytes()),
            (std::vector<RouteMessage>{{AF_INET, 0, 3, ip(kOther)}, {AF_INET, 0, 5, ip(kOther)}}));
}

}  // namespace
}  // namespace wakeline::sys
