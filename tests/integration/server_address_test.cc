// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "network_namespace.h"
#include "server_peers.h"
#include "server_process.h"

/// Limits by address, in a network of the test's own that has many.
namespace wakeline::server {
namespace {

TEST(ServerAddress, CountsWholeNetworksOfIpv6AsOneWhoConnects) {
  ASSERT_TRUE(sys::test::enter_network_namespace());
  sys::test::ip("link set lo up");
  for (const std::string address : {"2001:db8:9::1", "2001:db8:9::2", "2001:db8:9:1::1"})
    sys::test::ip("-6 address add " + address + "/128 dev lo nodad");
  ServerProcess server({"http_address=::1", "http_per_address=2"});
  ASSERT_TRUE(server.start());
  const std::string healthy = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
  HttpPeer first(Line::from("2001:db8:9::1", server.ports.http));
  HttpPeer second(Line::from("2001:db8:9::2", server.ports.http));
  for (HttpPeer* peer : {&first, &second}) EXPECT_EQ(peer->ask(healthy).status, 200U);
  Line third = Line::from("2001:db8:9::2", server.ports.http);
  ASSERT_TRUE(third.ok());
  EXPECT_TRUE(third.ends());
  HttpPeer other(Line::from("2001:db8:9:1::1", server.ports.http));
  EXPECT_EQ(other.ask(healthy).status, 200U);
}

}  // namespace
}  // namespace wakeline::server
