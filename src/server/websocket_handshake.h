// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"

namespace wakeline::server {

/// The header of a WebSocket's opening request, in bytes.
inline constexpr std::size_t kHandshakeMax = 4'096;

struct Handshake {
  std::size_t consumed = 0;  ///< bytes of the request; 0 when more input is needed
  bool accepted = false;
  std::string answer{};  ///< 101, or what is wrong with it
};

/// Reads the opening request of a WebSocket that will carry MQTT, and answers it.
/// Errors: `accepted` false; `answer` is a whole HTTP answer then too.
/// Source: RFC 6455 §4.2; MQTT-6.0.0-3, MQTT-6.0.0-4.
Handshake answer_handshake(base::BytesView input);

}  // namespace wakeline::server
