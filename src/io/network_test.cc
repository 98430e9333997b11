// SPDX-License-Identifier: Apache-2.0
#include "io/network.h"

#include <gtest/gtest.h>

namespace wakeline::io {
namespace {

TEST(NetworkView, HasAKeyForWhoKnowsTheSecretAlone) {
  const NetworkView home{
      .addresses = {"192.0.2.7"}, .gateway = "wlan0 192.0.2.1 00:11", .resolvers = {}};
  NetworkView other = home;
  other.gateway = "wlan0 192.0.2.1 00:22";
  EXPECT_EQ(home.key("s").size(), 32U);
  EXPECT_EQ(home.key("s"), NetworkView(home).key("s"));
  EXPECT_NE(home.key("s"), other.key("s")) << "two networks with the same addresses";
  EXPECT_NE(home.key("s"), home.key("t"));
  EXPECT_EQ(NetworkView{}.key("s"), "");
}

TEST(NetworkView, DiffersWhenAnythingOfItDoes) {
  const NetworkView view{
      .addresses = {"192.0.2.7"}, .gateway = "wlan0 192.0.2.1 ", .resolvers = "a"};
  NetworkView address = view;
  address.addresses.emplace_back("192.0.2.8");
  NetworkView resolvers = view;
  resolvers.resolvers = "b";
  EXPECT_NE(view.fingerprint(), address.fingerprint());
  EXPECT_NE(view.fingerprint(), resolvers.fingerprint());
  EXPECT_TRUE(view.has("192.0.2.7"));
  EXPECT_FALSE(view.has("192.0.2.8"));
}

TEST(NetworkView, IsReadTheSameTwiceWhileNothingChanges) {
  EXPECT_EQ(read_network().addresses, read_network().addresses);
  EXPECT_EQ(local_address(-1), "");
}

TEST(NetworkWatch, OpensWithoutPrivileges) {
  Loop loop;
  EXPECT_TRUE(NetworkWatch::open(loop, [] {}).has_value());
}

}  // namespace
}  // namespace wakeline::io
