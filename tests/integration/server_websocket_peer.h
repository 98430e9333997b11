// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string>

#include "server_peers.h"
#include "wire/websocket.h"

/// A device over a WebSocket, frame by frame.
namespace wakeline::server {

inline std::string websocket_request(const std::string& protocol = "mqtt") {
  return "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Protocol: " +
         protocol + "\r\n\r\n";
}

class WebSocketPeer {
 public:
  using Opcode = wire::websocket::Opcode;
  explicit WebSocketPeer(Line its_line) : line(std::move(its_line)) {}

  /// The handshake. Returns: the answer's header.
  std::string open() {
    line.send(websocket_request());
    for (;;) {
      const std::string_view text = base::as_text(input_);
      if (const std::size_t end = text.find("\r\n\r\n"); end != std::string_view::npos) {
        std::string header(text.substr(0, end));
        input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(end + 4));
        return header;
      }
      if (!line.receive(input_)) return {};
    }
  }
  bool send(base::BytesView payload, Opcode opcode = Opcode::kBinary) {
    base::Bytes frame;
    wire::websocket::encode_masked(opcode, payload, {1, 2, 3, 4}, frame);
    return line.send(frame);
  }
  bool send(const wire::mqtt::Packet& packet) {
    base::Bytes bytes;
    return wire::mqtt::encode(packet, wire::mqtt::Version::k5, bytes) && send(bytes);
  }
  std::optional<wire::websocket::Frame> receive() {
    for (;;) {
      auto decoded = wire::websocket::decode(input_, wire::websocket::From::kServer, 100'000);
      if (!decoded) return std::nullopt;
      if (decoded->consumed > 0) {
        input_.erase(input_.begin(),
                     input_.begin() + static_cast<std::ptrdiff_t>(decoded->consumed));
        return std::move(decoded->frame);
      }
      if (!line.receive(input_)) return std::nullopt;
    }
  }
  /// The packet of the next binary frame.
  template <class Packet>
  std::optional<Packet> expect() {
    while (packets_.empty()) {
      const auto frame = receive();
      if (!frame || frame->opcode != Opcode::kBinary) return std::nullopt;
      packets_.insert(packets_.end(), frame->payload.begin(), frame->payload.end());
    }
    auto decoded = wire::mqtt::decode(packets_, wire::mqtt::Version::k5);
    if (!decoded || decoded->consumed == 0) return std::nullopt;
    packets_.erase(packets_.begin(),
                   packets_.begin() + static_cast<std::ptrdiff_t>(decoded->consumed));
    if (!std::holds_alternative<Packet>(decoded->packet)) return std::nullopt;
    return std::get<Packet>(std::move(decoded->packet));
  }

  Line line;

 private:
  base::Bytes input_;
  base::Bytes packets_;
};

}  // namespace wakeline::server
