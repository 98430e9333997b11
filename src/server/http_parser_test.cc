// SPDX-License-Identifier: Apache-2.0
#include "server/http_parser.h"

#include <gtest/gtest.h>

namespace wakeline::server {
namespace {

constexpr std::size_t kBodyMax = 100;

HttpParser::Progress feed(HttpParser& parser, std::string_view text) {
  return parser.feed(base::as_bytes(text));
}

TEST(HttpParser, ReadsARequestWithItsBody) {
  HttpParser parser(kBodyMax);
  const std::string text =
      "POST /v1/push HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n"
      "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}GET";
  const auto progress = feed(parser, text);
  EXPECT_EQ(progress.consumed, text.size() - 3);
  ASSERT_TRUE(progress.complete);
  const HttpRequest request = parser.take();
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/v1/push");
  EXPECT_EQ(request.field("authorization"), "Bearer x");
  EXPECT_EQ(request.field("content-type"), "application/json");
  EXPECT_TRUE(request.has("host"));
  EXPECT_FALSE(request.has("ttl"));
  EXPECT_EQ(request.path(), "/v1/push");
  EXPECT_EQ(request.body, "{}");
  EXPECT_TRUE(request.keep_alive);
  EXPECT_FALSE(parser.begun());
}

TEST(HttpParser, ReadsARequestThatComesByteByByte) {
  HttpParser parser(kBodyMax);
  const std::string text =
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  std::string kept;
  bool complete = false;
  for (const char c : text) {
    ASSERT_FALSE(complete);
    kept.push_back(c);
    const auto progress = feed(parser, kept);
    ASSERT_EQ(progress.refused, 0U);
    kept.erase(0, progress.consumed);
    complete = progress.complete;
  }
  ASSERT_TRUE(complete);
  EXPECT_EQ(parser.take().body, "abc");
}

TEST(HttpParser, AsksForTheBodyOnceWhenItsSenderWaits) {
  HttpParser parser(kBodyMax);
  const auto header = feed(
      parser, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_TRUE(header.wants_continue);
  EXPECT_FALSE(feed(parser, "{").wants_continue);
}

TEST(HttpParser, RefusesWhatIsNoRequestWithItsStatus) {
  const struct {
    std::string text;
    unsigned status;
  } rows[] = {
      {"GARBAGE\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\n\r\n", 505},
      {"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nA: " + std::string(kHttpHeaderMax, 'x') + "\r\n\r\n", 431},
      {"POST / HTTP/1.1\r\nContent-Length: 101\r\n\r\n", 413},
      {"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFF\r\n", 413},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
  };
  for (const auto& row : rows) {
    HttpParser parser(kBodyMax);
    EXPECT_EQ(feed(parser, row.text).refused, row.status) << row.text.substr(0, 60);
  }
}

TEST(HttpParser, RefusesABodyWhoseEndItDoesNotKnow) {
  const std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";
  const std::string hidden = "\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
  const struct {
    std::string text;
    unsigned status;
  } rows[] = {
      {post + "Transfer-Encoding: gzip\r\n", 400},
      {post + "Transfer-Encoding: xchunked\r\n", 400},
      {post + "Transfer-Encoding: chunked, gzip\r\n", 400},
      {post + "Transfer-Encoding: chunked, chunked\r\n", 400},
      {post + "Transfer-Encoding: identity\r\n", 400},
      {post + "Transfer-Encoding:\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400},
      {post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400},
      {post + "Content-Length: 5\r\nTransfer-Encoding: gzip\r\n", 400},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", 400},
      {post + "Transfer-Encoding: gzip, chunked\r\n", 501},
      {post + "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501},
  };
  for (const auto& row : rows) {
    HttpParser parser(kBodyMax);
    const auto progress = feed(parser, row.text + hidden);
    EXPECT_EQ(progress.refused, row.status) << row.text;
    EXPECT_FALSE(progress.complete) << row.text;
  }
  HttpParser parser(kBodyMax);
  EXPECT_TRUE(feed(parser, post + "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n").complete);
}

TEST(HttpParser, KeepsNoMoreThanAHeaderOfWhatIsNotReadYet) {
  const std::string post = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const char* chunk : {"1;x=", "1\r\nx\r\n0\r\nA: "}) {
    HttpParser parser(kBodyMax);
    const std::string text = post + chunk + std::string(kHttpHeaderMax - 100, 'x');
    const auto progress = feed(parser, text);
    EXPECT_EQ(progress.refused, 0U) << chunk;
    const std::string kept = text.substr(progress.consumed);
    EXPECT_EQ(feed(parser, kept + std::string(100, 'x')).refused, 431U) << chunk;
  }
}

TEST(HttpParser, WantsOneHostThatCanBeOne) {
  const struct {
    std::string text;
    unsigned status;
  } rows[] = {
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
      {"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
      {"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET http://a/ HTTP/1.1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: a\r\n\r\n", 400},
      {"GET / HTTP/1.0\r\n\r\n", 0},
      {"GET / HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\n\r\n", 0},
  };
  for (const auto& row : rows) {
    HttpParser parser(kBodyMax);
    const auto progress = feed(parser, row.text);
    EXPECT_EQ(progress.refused, row.status) << row.text;
    EXPECT_EQ(progress.complete, row.status == 0) << row.text;
  }
}

TEST(HttpParser, TakesATargetWithItsHost) {
  const struct {
    std::string target;
    std::string path;
    std::string host;
  } rows[] = {
      {"http://b:8080/v1/push?x=1", "/v1/push?x=1", "b:8080"},
      {"HTTPS://b", "/", "b"},
      {"http://b?x=http://c", "/?x=http://c", "b"},
      {"/r/x?y=http://c/", "/r/x?y=http://c/", "a"},
      {"*", "*", "a"},
      {"ftp://b/x", "ftp://b/x", "a"},
  };
  for (const auto& row : rows) {
    HttpParser parser(kBodyMax);
    ASSERT_TRUE(feed(parser, "GET " + row.target + " HTTP/1.1\r\nHost: a\r\n\r\n").complete);
    const HttpRequest request = parser.take();
    EXPECT_EQ(request.target, row.path);
    EXPECT_EQ(request.field("host"), row.host) << row.target;
  }
}

TEST(HttpParser, SkipsEmptyLinesBeforeARequest) {
  HttpParser parser(kBodyMax);
  EXPECT_EQ(feed(parser, "\r\n\r").consumed, 2U);
  EXPECT_FALSE(parser.begun());
  const std::string text = "\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}\r\n";
  const auto progress = feed(parser, text);
  EXPECT_EQ(progress.consumed, text.size() - 2);
  ASSERT_TRUE(progress.complete);
  EXPECT_EQ(parser.take().body, "{}");
  // Many of them, and a request that is not whole yet: what was skipped is no part of it.
  std::string lines;
  for (int i = 0; i < 1'000; ++i) lines += "\r\n";
  const auto part =
      feed(parser, lines + "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{");
  EXPECT_EQ(part.refused, 0U);
  EXPECT_TRUE(feed(parser, "}").complete);
  parser.take();
  EXPECT_EQ(feed(parser, "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n").refused, 400U);
}

TEST(HttpParser, JoinsTheLinesOfAList) {
  HttpParser parser(kBodyMax);
  ASSERT_TRUE(feed(parser,
                   "POST / HTTP/1.1\r\nPrefer: wait=5\r\nContent-Encoding: aes128gcm\r\n"
                   "Host: a\r\nprefer: respond-async\r\nTTL: 1\r\nTTL: 2\r\n"
                   "Content-Encoding: gzip\r\n\r\n")
                  .complete);
  const HttpRequest request = parser.take();
  EXPECT_EQ(request.field("prefer"), "wait=5, respond-async");
  EXPECT_EQ(request.field("content-encoding"), "aes128gcm, gzip");
  EXPECT_EQ(request.field("ttl"), "1");
}

TEST(HttpParser, TakesNoFieldFromBehindTheBody) {
  HttpParser parser(kBodyMax);
  ASSERT_TRUE(feed(parser,
                   "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "1\r\nx\r\n0\r\nAuthorization: Bearer x\r\n\r\n")
                  .complete);
  EXPECT_FALSE(parser.take().has("authorization"));
}

TEST(HttpResponse, HasItsLengthItsDateAndWhetherMoreMayCome) {
  const HttpResponse response{
      .status = 201, .content_type = "text/plain", .body = "ok", .headers = {{"Retry-After", "1"}}};
  EXPECT_EQ(to_bytes(response, base::WallTime(std::chrono::seconds(784'111'777)), true, false),
            "HTTP/1.1 201 Created\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            "Content-Type: text/plain\r\nRetry-After: 1\r\nContent-Length: 2\r\n"
            "Connection: keep-alive\r\n\r\nok");
  const std::string head =
      to_bytes(response, base::WallTime(std::chrono::seconds(784'111'777)), false, true);
  EXPECT_TRUE(head.ends_with("Content-Length: 2\r\nConnection: close\r\n\r\n"));
}

TEST(HttpResponse, HasNoLengthWhereItCanHaveNoBody) {
  const base::WallTime now(std::chrono::seconds(784'111'777));
  EXPECT_EQ(to_bytes({.status = 204}, now, true, false),
            "HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            "Connection: keep-alive\r\n\r\n");
  EXPECT_NE(to_bytes({.status = 201}, now, true, false).find("\r\nContent-Length: 0\r\n"),
            std::string::npos);
}

}  // namespace
}  // namespace wakeline::server
