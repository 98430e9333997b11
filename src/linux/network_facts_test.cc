// SPDX-License-Identifier: Apache-2.0
#include "linux/network_facts.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

namespace wakeline::sys {
namespace {

IpAddress address(const char* text) {
  std::uint8_t bytes[16] = {};
  if (::inet_pton(AF_INET, text, bytes) == 1) return ip_address(bytes, 4);
  EXPECT_EQ(::inet_pton(AF_INET6, text, bytes), 1) << text;
  return ip_address(bytes, 16);
}

NetworkFacts home() {
  NetworkFacts facts;
  facts.addresses = {{address("127.0.0.1"), "lo", false},
                     {address("192.0.2.7"), "wlan0", true},
                     {address("fe80::7"), "wlan0", false}};
  facts.routes = {{AF_INET, "wlan0", address("192.0.2.1")}};
  return facts;
}

TEST(NetworkFacts, KeepAMappedAddressAsTheOneThatItMeans) {
  EXPECT_EQ(address("::ffff:192.0.2.7"), address("192.0.2.7"));
  EXPECT_EQ(to_string(address("2001:db8::1")), "2001:db8::1");
  const std::uint8_t bytes[3] = {};
  EXPECT_EQ(ip_address(bytes, 3), IpAddress{});
  EXPECT_EQ(to_string(IpAddress{}), "");
}

TEST(NetworkFacts, DoNotDifferByWhatNoConnectionGoesThrough) {  // C31
  NetworkFacts facts = home();
  facts.addresses.push_back({address("172.17.0.1"), "bridge0", true});
  facts.addresses.push_back({address("fe80::8"), "wlan0", false});
  EXPECT_EQ(essence(facts), essence(home()));
}

TEST(NetworkFacts, DifferByAddressAndByRoute) {  // C31
  NetworkFacts moved = home();
  moved.addresses[1].address = address("192.0.2.8");
  EXPECT_NE(essence(moved), essence(home()));
  NetworkFacts other = home();
  other.routes[0].gateway = address("192.0.2.254");
  EXPECT_NE(essence(other), essence(home()));
  NetworkFacts backup = home();
  backup.routes.push_back({AF_INET, "wwan0", {}});
  EXPECT_NE(essence(backup), essence(home()));
}

TEST(NetworkFacts, CountEveryGlobalAddressOfANetworkWithoutAWayOut) {  // C31
  NetworkFacts closed = home();
  closed.routes.clear();
  EXPECT_EQ(to_line(closed), "192.0.2.7 on wlan0");
  closed.addresses.pop_back();
  closed.addresses.push_back({address("198.51.100.1"), "eth0", true});
  EXPECT_EQ(to_line(closed), "192.0.2.7 on wlan0, 198.51.100.1 on eth0");
}

TEST(NetworkFacts, LoseAnAddressOnlyWhenNoInterfaceHasItAnyMore) {
  NetworkFacts before = home();
  NetworkFacts after = home();
  after.addresses[1].interface = "eth0";
  EXPECT_EQ(lost_addresses(before, after), std::vector<IpAddress>{});
  after.addresses.erase(after.addresses.begin() + 1);
  EXPECT_EQ(lost_addresses(before, after), std::vector<IpAddress>{address("192.0.2.7")});
}

TEST(NetworkFacts, AreALineForPeople) {
  EXPECT_EQ(to_line(home()), "192.0.2.7 on wlan0; by 192.0.2.1 on wlan0");
  EXPECT_EQ(to_line({}), "no address");
}

}  // namespace
}  // namespace wakeline::sys
