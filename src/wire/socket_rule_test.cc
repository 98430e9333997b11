// SPDX-License-Identifier: Apache-2.0
#include "wire/socket_rule.h"

#include <gtest/gtest.h>

namespace wakeline::wire {
namespace {

TEST(SocketRule, ReadsPortsSortedAndOnce) {
  const auto rule = parse_socket_rule("tcp:5061,5060,5061");
  ASSERT_TRUE(rule);
  EXPECT_EQ(*rule, (SocketRule{false, {5060, 5061}}));
  EXPECT_EQ(to_string(*rule), "tcp:5060,5061");
  EXPECT_FALSE(rule->empty());
}

TEST(SocketRule, MatchesEitherEndOfAConnection) {
  const SocketRule rule{false, {5060}};
  EXPECT_TRUE(rule.matches(40'000, 5060));
  EXPECT_TRUE(rule.matches(5060, 40'000));
  EXPECT_FALSE(rule.matches(40'000, 5061));
  EXPECT_FALSE(SocketRule().matches(1, 2));
  const auto all = parse_socket_rule("all");
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->matches(1, 2));
  EXPECT_EQ(to_string(*all), "all");
}

TEST(SocketRule, RefusesWhatIsNoRule) {
  for (const char* text : {"", "tcp", "tcp:", "tcp:0", "tcp:65536", "tcp:1,", "tcp:,1", "tcp:1 ",
                           "tcp:-1", "tcp:0x10", "udp:1", "All", "tcp:1;2"}) {
    EXPECT_FALSE(parse_socket_rule(text)) << text;
  }
  std::string many = "tcp:1";
  for (std::size_t port = 2; port <= kPortsMax; ++port) many += "," + std::to_string(port);
  EXPECT_TRUE(parse_socket_rule(many));
  EXPECT_FALSE(parse_socket_rule(many + ",99"));
}

TEST(MediaRule, ReadsAPortOrASpanOfPortsAndMatchesTheOwnEnd) {
  const auto span = parse_media_rule("udp:20000-20200");
  ASSERT_TRUE(span);
  EXPECT_EQ(*span, (MediaRule{20'000, 20'200}));
  EXPECT_EQ(to_string(*span), "udp:20000-20200");
  EXPECT_TRUE(span->matches(20'000));
  EXPECT_TRUE(span->matches(20'200));
  EXPECT_FALSE(span->matches(19'999));
  EXPECT_FALSE(span->matches(20'201));
  const auto one = parse_media_rule("udp:4000");
  ASSERT_TRUE(one);
  EXPECT_EQ(to_string(*one), "udp:4000");
  EXPECT_TRUE(one->matches(4'000));
  EXPECT_FALSE(MediaRule().matches(0));
  EXPECT_EQ(to_string(MediaRule()), "");
}

TEST(MediaRule, RefusesWhatIsNoRule) {
  for (const char* text : {"", "udp", "udp:", "udp:0", "udp:1-", "udp:-1", "udp:2-1", "tcp:1",
                           "udp:1-65536", "udp:1-2-3", "udp:1,2", "all", "udp:0-5"}) {
    EXPECT_FALSE(parse_media_rule(text)) << text;
  }
}

}  // namespace
}  // namespace wakeline::wire
