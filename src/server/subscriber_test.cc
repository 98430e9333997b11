// SPDX-License-Identifier: Apache-2.0
#include "server/subscriber.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace wakeline::server {
namespace {

TEST(Subscriber, IsOneForAllTheAddressesThatOnePeerMayTake) {
  const struct {
    const char* address;
    const char* shown;
  } rows[] = {{"192.0.2.1", "192.0.2.1"},
              {"::ffff:192.0.2.1", "192.0.2.1"},
              {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
              {"2001:db8:1:2::9", "2001:db8:1:2::/64"},
              {"fe80::1%eth0", "fe80::/64"},
              {"no address", "no address"}};
  for (const auto& row : rows) {
    EXPECT_EQ(subscriber_text(subscriber_of(std::string_view(row.address))), row.shown);
    sockaddr_storage peer{};
    auto& v6 = reinterpret_cast<sockaddr_in6&>(peer);
    v6.sin6_family = AF_INET6;
    if (::inet_pton(AF_INET6, row.address, &v6.sin6_addr) == 1) {
      EXPECT_EQ(subscriber_text(subscriber_of(peer)), row.shown);
    }
  }
  sockaddr_storage peer{};
  auto& v4 = reinterpret_cast<sockaddr_in&>(peer);
  v4.sin_family = AF_INET;
  ASSERT_EQ(::inet_pton(AF_INET, "192.0.2.1", &v4.sin_addr), 1);
  EXPECT_EQ(subscriber_of(peer), subscriber_of("::ffff:192.0.2.1"));
}

}  // namespace
}  // namespace wakeline::server
