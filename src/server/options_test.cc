// SPDX-License-Identifier: Apache-2.0
#include "server/options.h"

#include <gtest/gtest.h>

namespace wakeline::server {
namespace {

TEST(Endpoint, IsReadAndWrittenWithBracketsAroundVersion6) {
  EXPECT_EQ(*parse_endpoint("127.0.0.1:8883"), (Endpoint{"127.0.0.1", 8'883}));
  EXPECT_EQ(*parse_endpoint("[::1]:0"), (Endpoint{"::1", 0}));
  EXPECT_EQ(to_string(Endpoint{"::1", 80}), "[::1]:80");
  EXPECT_EQ(to_string(Endpoint{"0.0.0.0", 80}), "0.0.0.0:80");
}

TEST(Endpoint, IsRefusedWhenItIsNotNumeric) {
  for (const char* text : {"", ":", "8883", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
                           "127.0.0.1:1x", "localhost:1", "::1:1", "[::1]", "[127.0.0.1]:1"}) {
    EXPECT_FALSE(parse_endpoint(text)) << text;
  }
}

}  // namespace
}  // namespace wakeline::server
