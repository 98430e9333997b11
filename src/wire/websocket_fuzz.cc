// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "wire/mqtt.h"
#include "wire/websocket.h"

using namespace wakeline;  // NOLINT(google-build-using-namespace): a program of one function

/// Reads a stream of frames; the input's first byte says whose. What can be read is written in no
/// more bytes than it came in, and reads as the same frame.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace websocket = wire::websocket;
  using websocket::From;
  if (size == 0) return 0;
  const From from = (data[0] & 1) != 0 ? From::kClient : From::kServer;
  base::BytesView input(data + 1, size - 1);
  while (true) {
    const auto decoded = websocket::decode(input, from, wire::mqtt::kPacketMax);
    if (!decoded || decoded->consumed == 0) return 0;
    const websocket::Frame& frame = decoded->frame;
    WL_CHECK(decoded->consumed <= input.size());
    WL_CHECK(frame.payload.size() <= wire::mqtt::kPacketMax);
    base::Bytes bytes;
    if (from == From::kClient)
      websocket::encode_masked(frame.opcode, frame.payload, {7, 8, 9, 10}, bytes);
    else
      websocket::encode(frame.opcode, frame.payload, bytes);
    WL_CHECK(bytes.size() == decoded->consumed);
    const auto again = websocket::decode(bytes, from, wire::mqtt::kPacketMax);
    WL_CHECK(again && again->frame.payload == frame.payload && again->frame.opcode == frame.opcode);
    input = input.subspan(decoded->consumed);
  }
}
