// SPDX-License-Identifier: Apache-2.0
#include "server/http2_client.h"

#include <gtest/gtest.h>

#include <optional>

#include "io/loop.h"

namespace wakeline::server {
namespace {

using namespace std::chrono_literals;

TEST(OriginOfUrl, HasNothingOfAUrlThatMayBeASecret) {
  for (const char* url :
       {"https://push.example:8443", "https://push.example:8443/wp/secret",
        "https://push.example:8443?secret", "https://push.example:8443#secret",
        "https://user:secret@push.example:8443/wp/secret@x", "https://a@secret@push.example:8443"})
    EXPECT_EQ(origin_of_url(url), "https://push.example:8443") << url;
  EXPECT_EQ(origin_of_url("secret"), "");
}

TEST(AuthorityOfUrl, IsWhereARequestGoes) {
  for (const char* url : {"https://push.example", "https://PUSH.example:443/wp/x?y#z",
                          "https://user:secret@push.example/"})
    EXPECT_EQ(authority_of_url(url), "push.example:443") << url;
  EXPECT_EQ(authority_of_url("https://[::1]:8443/wp/x"), "[::1]:8443");
  for (const char* url : {"http://push.example", "https://", "https://?x", "https://:8443/x",
                          "push.example", "ftp://push.example", "https://a b", ""})
    EXPECT_EQ(authority_of_url(url), "") << url;
}

TEST(Http2Client, LogsTheOriginAloneOfARequestThatFailed) {
  io::Loop loop;
  const auto client = Http2Client::create(loop, {});
  std::optional<base::Result<Http2Client::Answer>> answer;
  testing::internal::CaptureStderr();
  // Nobody serves HTTP/2 at this port: it is refused, or it ends by the timeout.
  client->post({.url = "https://127.0.0.1:1/wp/secret"}, 5s, [&](const auto& result) {
    answer = result;
    loop.stop();
  });
  loop.run_until_stopped();
  const std::string log = testing::internal::GetCapturedStderr();
  ASSERT_TRUE(answer);
  EXPECT_FALSE(*answer);
  EXPECT_NE(log.find("https://127.0.0.1:1: "), std::string::npos) << log;
  EXPECT_EQ(log.find("secret"), std::string::npos) << log;
}

}  // namespace
}  // namespace wakeline::server
