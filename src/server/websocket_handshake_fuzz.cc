// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "server/websocket_handshake.h"

/// An opening request is waited for within its limit, and answered whole; more bytes behind it
/// change nothing.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace wakeline;
  const base::BytesView input(data, size);
  const auto handshake = server::answer_handshake(input);
  if (handshake.consumed == 0) {
    WL_CHECK(size <= server::kHandshakeMax);
    WL_CHECK(!handshake.accepted);
    return 0;
  }
  WL_CHECK(handshake.consumed <= size);
  WL_CHECK(handshake.answer.starts_with("HTTP/1.1 "));
  WL_CHECK(handshake.answer.ends_with("\r\n\r\n") || !handshake.accepted);
  WL_CHECK(handshake.accepted == handshake.answer.starts_with("HTTP/1.1 101 "));
  if (!handshake.accepted) return 0;
  WL_CHECK(handshake.consumed <= server::kHandshakeMax);
  const auto alone = server::answer_handshake(input.first(handshake.consumed));
  WL_CHECK(alone.accepted && alone.consumed == handshake.consumed);
  WL_CHECK(alone.answer == handshake.answer);
  WL_CHECK(server::answer_handshake(input.first(handshake.consumed - 1)).consumed == 0);
  return 0;
}
