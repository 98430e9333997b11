// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "wire/mqtt.h"

namespace wakeline::wire::mqtt {
namespace {

TEST(Topics, KnowNamesFromFilters) {
  for (const char* name : {"a", "/", "a//b", "$SYS/x", "a b"}) {
    EXPECT_TRUE(is_topic_name(name)) << name;
    EXPECT_TRUE(is_topic_filter(name)) << name;
  }
  for (const char* filter : {"+", "#", "+/+", "a/+/b", "a/#", "/#", "+/#"}) {
    EXPECT_FALSE(is_topic_name(filter)) << filter;
    EXPECT_TRUE(is_topic_filter(filter)) << filter;
  }
  for (const char* bad : {"", "a+", "+a", "a#", "#/a", "a/#/b", "##", "a/b+"}) {
    EXPECT_FALSE(is_topic_filter(bad)) << bad;
  }
  EXPECT_FALSE(is_topic_name(std::string_view("a\0b", 3)));
  EXPECT_FALSE(is_topic_filter(std::string(65'536, 'a')));
}

TEST(Topics, MatchAsTheExamplesOfTheStandard) {
  struct Case {
    const char* filter;
    const char* topic;
    bool selected;
  };
  // §4.7.1.2, §4.7.1.3, §4.7.2, §4.7.3.
  const Case cases[] = {
      {"sport/tennis/player1/#", "sport/tennis/player1", true},
      {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
      {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
      {"sport/#", "sport", true},
      {"#", "sport", true},
      {"sport/tennis/+", "sport/tennis/player1", true},
      {"sport/tennis/+", "sport/tennis/player1/ranking", false},
      {"sport/+", "sport", false},
      {"sport/+", "sport/", true},
      {"+/+", "/finance", true},
      {"/+", "/finance", true},
      {"+", "/finance", false},
      {"#", "$SYS/monitor/Clients", false},
      {"+/monitor/Clients", "$SYS/monitor/Clients", false},
      {"$SYS/#", "$SYS/monitor/Clients", true},
      {"$SYS/monitor/+", "$SYS/monitor/Clients", true},
      {"ACCOUNTS", "Accounts", false},
      {"a", "a/", false},
      {"a/", "a", false},
      {"a/b", "a", false},
      {"a", "a/b", false},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(matches(one.filter, one.topic), one.selected) << one.filter << " " << one.topic;
  }
}

}  // namespace
}  // namespace wakeline::wire::mqtt
