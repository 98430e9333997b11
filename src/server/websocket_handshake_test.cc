// SPDX-License-Identifier: Apache-2.0
#include "server/websocket_handshake.h"

#include <gtest/gtest.h>

namespace wakeline::server {
namespace {

std::string request(const std::string& replace = {}, const std::string& by = {}) {
  std::string text =
      "GET /mqtt HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n"
      "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      "Sec-WebSocket-Protocol: chat, mqtt\r\nSec-WebSocket-Version: 13\r\n\r\n";
  if (const std::size_t at = text.find(replace); !replace.empty()) {
    EXPECT_NE(at, std::string::npos);
    text.replace(at, replace.size(), by);
  }
  return text;
}

Handshake answer(const std::string& text) { return answer_handshake(base::as_bytes(text)); }

TEST(WebSocketHandshake, IsAnsweredWithTheKeyOfItsStandardsExample) {
  const Handshake done = answer(request());
  EXPECT_TRUE(done.accepted);
  EXPECT_EQ(done.consumed, request().size());
  EXPECT_NE(done.answer.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
            std::string::npos);
  EXPECT_NE(done.answer.find("Sec-WebSocket-Protocol: mqtt\r\n"), std::string::npos);
}

TEST(WebSocketHandshake, WaitsForItsEndAndLeavesWhatFollows) {
  const std::string whole = request();
  for (const std::size_t size : {std::size_t{1}, whole.size() / 2, whole.size() - 1})
    EXPECT_EQ(answer(whole.substr(0, size)).consumed, 0U);
  EXPECT_EQ(answer(whole + "\x82\x80").consumed, whole.size());
}

TEST(WebSocketHandshake, RefusesWhatIsNone) {
  const struct {
    std::string text;
    const char* status;
  } rows[] = {
      {request("GET", "POST"), "426"},
      {request("websocket", "h2c"), "426"},
      {request("keep-alive, Upgrade", "close"), "426"},
      {request("Version: 13", "Version: 8"), "426"},
      {request("dGhlIHNhbXBsZSBub25jZQ==", "short"), "400"},
      {request("chat, mqtt", "chat"), "400"},
      {request("GET /mqtt", "GET\x01"), "400"},
      {"GET / HTTP/1.1\r\nX: " + std::string(kHandshakeMax, 'x'), "431"},
  };
  for (const auto& row : rows) {
    const Handshake done = answer(row.text);
    EXPECT_FALSE(done.accepted);
    EXPECT_GT(done.consumed, 0U);
    EXPECT_TRUE(done.answer.starts_with("HTTP/1.1 " + std::string(row.status))) << done.answer;
  }
}

}  // namespace
}  // namespace wakeline::server
