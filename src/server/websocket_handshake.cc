// SPDX-License-Identifier: Apache-2.0
#include "server/websocket_handshake.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <string_view>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>

#include "base/check.h"

namespace wakeline::server {

namespace http = boost::beast::http;

namespace {

constexpr std::string_view kProtocol = "mqtt";

Handshake refused(std::size_t consumed, unsigned status, std::string_view reason,
                  std::string_view more = {}) {
  return {consumed, false,
          fmt::format("HTTP/1.1 {} {}\r\n{}Connection: close\r\nContent-Length: 0\r\n\r\n", status,
                      reason, more)};
}

/// Source: RFC 6455 §4.2.2.
std::string accept_key(std::string_view key) {
  std::string text(key);
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned size = 0;
  WL_CHECK(EVP_Digest(text.data(), text.size(), hash.data(), &size, EVP_sha1(), nullptr) == 1);
  std::array<unsigned char, 64> encoded{};
  const int length = EVP_EncodeBlock(encoded.data(), hash.data(), static_cast<int>(size));
  return {reinterpret_cast<const char*>(encoded.data()), static_cast<std::size_t>(length)};
}

template <class List>
bool names(std::string_view field, std::string_view wanted) {
  for (const auto& value : List(field)) {
    if constexpr (requires { value.first; }) {
      if (boost::beast::iequals(value.first, wanted)) return true;
    } else {
      if (boost::beast::iequals(value, wanted)) return true;
    }
  }
  return false;
}

Handshake answer(const http::request<http::empty_body>& request, std::size_t consumed) {
  const std::string_view key = request["Sec-WebSocket-Key"];
  const bool upgrades = request.version() == 11 && request.method() == http::verb::get &&
                        names<http::token_list>(request[http::field::upgrade], "websocket") &&
                        names<http::token_list>(request[http::field::connection], "upgrade");
  if (!upgrades) return refused(consumed, 426, "Upgrade Required", "Upgrade: websocket\r\n");
  if (request["Sec-WebSocket-Version"] != "13")
    return refused(consumed, 426, "Upgrade Required", "Sec-WebSocket-Version: 13\r\n");
  if (key.size() != 24) return refused(consumed, 400, "Bad Request");
  if (!names<http::token_list>(request["Sec-WebSocket-Protocol"], kProtocol))
    return refused(consumed, 400, "Bad Request");
  return {consumed, true,
          fmt::format("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                      "Connection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n"
                      "Sec-WebSocket-Protocol: {}\r\n\r\n",
                      accept_key(key), kProtocol)};
}

}  // namespace

Handshake answer_handshake(base::BytesView input) {
  http::request_parser<http::empty_body> parser;
  parser.header_limit(static_cast<std::uint32_t>(kHandshakeMax));
  boost::beast::error_code error;
  const std::size_t consumed = parser.put(boost::asio::buffer(input.data(), input.size()), error);
  if (error == http::error::need_more) {
    if (input.size() >= kHandshakeMax)
      return refused(input.size(), 431, "Request Header Fields Too Large");
    return {};
  }
  if (error == http::error::header_limit)
    return refused(input.size(), 431, "Request Header Fields Too Large");
  if (error) return refused(input.size(), 400, "Bad Request");
  if (!parser.is_header_done()) return {};
  return answer(parser.get(), consumed);
}

}  // namespace wakeline::server
