// SPDX-License-Identifier: Apache-2.0
#include "core/link/routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/link/network.h"

namespace wakeline::link {
namespace {

using base::Duration;
using base::Instant;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;

const Address kSix{.ipv6 = true, .text = "2001:db8::1"};
const Address kSixToo{.ipv6 = true, .text = "2001:db8::2"};
const Address kFour{.ipv6 = false, .text = "192.0.2.4"};
constexpr Instant kRoutesNow{hours(100)};

std::vector<Route> order(const Routes& routes, std::vector<Address> addresses,
                         const std::vector<std::uint16_t>& ports = {8883}) {
  std::vector<Route> order;
  for (const Candidate& c : routes.candidates(std::move(addresses), ports, kRoutesNow))
    order.push_back(c.route);
  return order;
}

TEST(Routes, LetFamiliesTakeTurns) {
  EXPECT_THAT(order({}, {kSix, kSixToo, kFour}),
              ElementsAre(Route{kSix, 8883}, Route{kFour, 8883}, Route{kSixToo, 8883}));
  EXPECT_EQ(order({}, std::vector<Address>(100, kSix)).size(), kCandidatesMax);
}

TEST(Routes, PutTheLastGoodOneFirstAndOtherPortsBehind) {
  Routes routes;
  routes.on_good({kSix, 443}, kRoutesNow - hours(2));
  routes.on_good({kFour, 443}, kRoutesNow - hours(1));
  EXPECT_THAT(
      order(routes, {kSix, kFour}, {8883, 443}),
      ElementsAre(Route{kFour, 443}, Route{kSix, 8883}, Route{kFour, 8883}, Route{kSix, 443}));
}

TEST(Routes, DelayWhatFailsTenTimesLongerEachTimeAndForgetItInMinutes) {
  const Route route{kSix, 8883};
  Routes routes;
  std::vector<Duration> delays;
  for (int i = 0; i < 6; ++i) {
    routes.on_failed(route, kRoutesNow);
    delays.push_back(routes.delay(route, kRoutesNow));
  }
  EXPECT_THAT(delays, ElementsAre(milliseconds(3), milliseconds(30), milliseconds(300), seconds(3),
                                  seconds(30), seconds(30)));
  EXPECT_EQ(routes.delay(route, kRoutesNow + seconds(150)), seconds(15));
  EXPECT_EQ(routes.delay(route, kRoutesNow + minutes(5)), Duration::zero());
  EXPECT_THAT(order(routes, {kSix, kFour}), ElementsAre(Route{kFour, 8883}, route));
  routes.on_failed(route, kRoutesNow + minutes(6));
  EXPECT_EQ(routes.delay(route, kRoutesNow + minutes(6)), milliseconds(3))
      << "the count began anew";
  routes.forgive();
  EXPECT_EQ(routes.delay(route, kRoutesNow + minutes(6)), Duration::zero());
  routes.on_failed(route, kRoutesNow);
  routes.on_good(route, kRoutesNow);
  EXPECT_EQ(routes.delay(route, kRoutesNow), Duration::zero());
}

TEST(Routes, RememberAFewTheOldestGoes) {
  Routes routes;
  for (std::uint16_t port = 1; port <= 100; ++port)
    routes.on_failed({kFour, port}, kRoutesNow + seconds(port));
  EXPECT_EQ(routes.all().size(), kRoutesMax);
  EXPECT_EQ(routes.all().front().route.port, 100 - kRoutesMax + 1);
}

TEST(Networks, RememberAFewTheOneLongestUnusedGoes) {
  Networks networks;
  for (int i = 0; i < 100; ++i) networks.use(std::to_string(i), kRoutesNow + seconds(i));
  EXPECT_EQ(networks.all().size(), kNetworksMax);
  EXPECT_EQ(networks.find("0"), nullptr);
  EXPECT_NE(networks.find("99"), nullptr);
}

TEST(Networks, TakeTimesOfAnotherBootForNow) {
  Networks networks;
  Network& n = networks.use("home", kRoutesNow + hours(10));
  n.gaps.proven_at = kRoutesNow + hours(9);
  n.routes.on_failed({kFour, 1}, kRoutesNow + hours(10));
  networks.forget_the_future(kRoutesNow);
  const Network& now = *networks.find("home");
  EXPECT_EQ(now.used_at, kRoutesNow);
  EXPECT_EQ(now.gaps.proven_at, kRoutesNow);
  EXPECT_EQ(now.routes.delay({kFour, 1}, kRoutesNow), Duration::zero());
}

}  // namespace
}  // namespace wakeline::link
