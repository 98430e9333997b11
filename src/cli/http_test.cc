// SPDX-License-Identifier: Apache-2.0
#include "cli/http.h"

#include <gtest/gtest.h>

#include "cli/exit_code.h"
#include "cli/sender.h"

namespace wakeline::cli {
namespace {

TEST(Sender, EndsWithWhatTheAnswerMeans) {
  EXPECT_EQ(exit_code_of_status(201), kExitOk);
  EXPECT_EQ(exit_code_of_status(403), kExitUnauthorized);
  EXPECT_EQ(exit_code_of_status(507), kExitStorage);
  EXPECT_EQ(exit_code_of_status(429), kExitFailed);
}

TEST(Url, IsReadInItsParts) {
  const auto url = parse_url("https://push.example:8443/v1/push");
  ASSERT_TRUE(url);
  EXPECT_TRUE(url->tls);
  EXPECT_EQ(url->host, "push.example");
  EXPECT_EQ(url->port, "8443");
  EXPECT_EQ(url->target, "/v1/push");
}

TEST(Url, TakesTheUsualPortsAndAnIpv6AddressInBrackets) {
  EXPECT_EQ(parse_url("https://a")->port, "443");
  EXPECT_EQ(parse_url("http://a/x")->port, "80");
  const auto v6 = parse_url("http://[::1]:8080");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->port, "8080");
  EXPECT_EQ(v6->target, "/");
}

TEST(Url, RefusesWhatIsNone) {
  for (const char* bad : {"", "ftp://a", "https://", "https://:1", "http://a:b", "http://[::1",
                          "http://[::1]x", "http://a:123456"}) {
    EXPECT_FALSE(parse_url(bad)) << bad;
  }
}

}  // namespace
}  // namespace wakeline::cli
