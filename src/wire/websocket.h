// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/error.h"

/// Frames of a WebSocket, for MQTT over it: bytes ↔ values. Source: RFC 6455 §5. The handshake is
/// HTTP, and the server's.
namespace wakeline::wire::websocket {

enum class Opcode : std::uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10,
};
inline constexpr bool is_control(Opcode opcode) { return opcode >= Opcode::kClose; }

/// Why a peer closes. Source: §7.4.1.
enum class CloseCode : std::uint16_t {
  kNormal = 1'000,
  kGoingAway = 1'001,
  kProtocolError = 1'002,
  kUnsupportedData = 1'003,
  kTooLarge = 1'009,
};

struct Frame {
  bool final = true;
  Opcode opcode = Opcode::kBinary;
  base::Bytes payload{};  ///< unmasked
  friend bool operator==(const Frame&, const Frame&) = default;
};

struct Decoded {
  std::size_t consumed = 0;  ///< bytes of the frame; 0 when more input is needed
  Frame frame{};
};

/// Which way a frame goes: a client masks its frames, a server does not (§5.1).
enum class From : std::uint8_t { kClient, kServer };

/// Decodes one frame from the front of `input`.
/// Errors: kMalformed (reserved bits or opcodes, a mask missing or misplaced, a control frame that
///         is long or in pieces, a length in a longer form), kTooLarge (a payload over `limit`,
///         told from the header alone).
base::Result<Decoded> decode(base::BytesView input, From from, std::size_t limit);

/// Appends a frame of a server.
void encode(Opcode opcode, base::BytesView payload, base::Bytes& out);
/// Appends a frame of a client, masked with `mask`.
void encode_masked(Opcode opcode, base::BytesView payload, const std::array<std::uint8_t, 4>& mask,
                   base::Bytes& out);
/// The payload of a close frame.
base::Bytes close_payload(CloseCode code);

}  // namespace wakeline::wire::websocket
