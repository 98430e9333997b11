// SPDX-License-Identifier: Apache-2.0
#include "io/network.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace wakeline::io {
namespace {

TEST(NetworkView, HasAKeyForWhoKnowsTheSecretAlone) {
  const NetworkView home{.addresses = {"192.0.2.7"},
                         .link_local = {},
                         .loopback = {},
                         .gateway = "wlan0 192.0.2.1 00:11",
                         .resolvers = {}};
  NetworkView other = home;
  other.gateway = "wlan0 192.0.2.1 00:22";
  EXPECT_EQ(home.key("s").size(), 32U);
  EXPECT_EQ(home.key("s"), NetworkView(home).key("s"));
  EXPECT_NE(home.key("s"), other.key("s")) << "two networks with the same addresses";
  EXPECT_NE(home.key("s"), home.key("t"));
  EXPECT_EQ(NetworkView{}.key("s"), "");
}

TEST(NetworkView, DiffersWhenAnythingOfItDoes) {
  const NetworkView view{.addresses = {"192.0.2.7"},
                         .link_local = {"fe80::7"},
                         .loopback = {"127.0.0.1"},
                         .gateway = "wlan0 192.0.2.1 ",
                         .resolvers = "a"};
  NetworkView address = view;
  address.addresses.emplace_back("192.0.2.8");
  NetworkView resolvers = view;
  resolvers.resolvers = "b";
  EXPECT_NE(view.fingerprint(), address.fingerprint());
  EXPECT_NE(view.fingerprint(), resolvers.fingerprint());
  NetworkView link_local = view;
  link_local.link_local.clear();
  EXPECT_NE(view.fingerprint(), link_local.fingerprint());
  NetworkView loopback = view;
  loopback.loopback.clear();
  EXPECT_EQ(view.fingerprint(), loopback.fingerprint()) << "no way to anybody";
  for (const char* own : {"192.0.2.7", "fe80::7", "127.0.0.1"}) EXPECT_TRUE(view.has(own)) << own;
  EXPECT_FALSE(view.has("192.0.2.8"));
}

TEST(NetworkView, IsReadTheSameTwiceWhileNothingChanges) {
  const auto view = read_network();
  ASSERT_TRUE(view);
  EXPECT_EQ(view->addresses, read_network()->addresses);
  EXPECT_TRUE(view->has("127.0.0.1"));
  EXPECT_EQ(local_address(-1), "");
}

TEST(NetworkView, IsAnErrorWhereItCannotBeReadAsAWhole) {
  rlimit former{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &former), 0);
  rlimit none = former;
  none.rlim_cur = 0;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto view = read_network();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &former), 0);
  EXPECT_FALSE(view) << "no word of an address is not the word that it is gone";
}

TEST(NetworkWatch, OpensWithoutPrivileges) {
  Loop loop;
  EXPECT_TRUE(NetworkWatch::open(loop, [] {}).has_value());
}

}  // namespace
}  // namespace wakeline::io
