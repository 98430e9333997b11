// SPDX-License-Identifier: Apache-2.0
#include "wire/websocket.h"

#include <gtest/gtest.h>

namespace wakeline::wire::websocket {
namespace {

using base::Bytes;
using base::ErrorCode;

constexpr std::size_t kLimit = 70'000;

TEST(WebSocket, DecodesTheExamplesOfItsStandard) {
  // RFC 6455 §5.7: a masked text "Hello", unfragmented and unmasked, and in two pieces.
  const Bytes masked = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58};
  const auto client = decode(masked, From::kClient, kLimit);
  ASSERT_TRUE(client);
  EXPECT_EQ(client->consumed, masked.size());
  EXPECT_EQ(client->frame, (Frame{true, Opcode::kText, {'H', 'e', 'l', 'l', 'o'}}));
  const Bytes piece = {0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f};
  const auto first = decode(piece, From::kServer, kLimit);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->frame, (Frame{false, Opcode::kText, {'H', 'e', 'l'}}));
  EXPECT_EQ(first->consumed, 5U);
}

TEST(WebSocket, ReadsBackWhatItWroteInEveryLengthForm) {
  for (const std::size_t size : {0U, 1U, 125U, 126U, 127U, 65'535U, 65'536U, 70'000U}) {
    Bytes bytes;
    encode_masked(Opcode::kBinary, Bytes(size, 9), {1, 2, 3, 4}, bytes);
    const auto client = decode(bytes, From::kClient, kLimit);
    ASSERT_TRUE(client) << size;
    EXPECT_EQ(client->consumed, bytes.size());
    EXPECT_EQ(client->frame.payload, Bytes(size, 9));
    for (const std::size_t cut : {bytes.size() - 1, bytes.size() / 2, std::size_t{1}}) {
      const auto part = decode(base::BytesView(bytes).first(cut), From::kClient, kLimit);
      ASSERT_TRUE(part);
      EXPECT_EQ(part->consumed, 0U);
    }
    bytes.clear();
    encode(Opcode::kBinary, Bytes(size, 9), bytes);
    EXPECT_EQ(decode(bytes, From::kServer, kLimit)->frame.payload, Bytes(size, 9));
  }
}

TEST(WebSocket, RefusesWhatItsStandardForbids) {
  const std::vector<Bytes> inputs = {{0xC2, 0x80, 0, 0, 0, 0},  // a reserved bit
                                     {0x83, 0x80, 0, 0, 0, 0},  // a reserved opcode
                                     {0x82, 0x00},              // a client's frame without a mask
                                     {0x09, 0x80, 0, 0, 0, 0},  // a ping in pieces
                                     {0x89, 0xFE, 0, 126, 0, 0, 0, 0},  // a long ping
                                     {0x82, 0xFE, 0, 125},              // a length in a longer form
                                     {0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0},   // the same
                                     {0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0}};  // over 63 bits
  for (std::size_t i = 0; i < inputs.size(); ++i)
    EXPECT_EQ(decode(inputs[i], From::kClient, kLimit).error().code, ErrorCode::kMalformed) << i;
  const Bytes large = {0x82, 0xFF, 0, 0, 0, 0, 0, 2, 0, 0};
  EXPECT_EQ(decode(large, From::kClient, kLimit).error().code, ErrorCode::kTooLarge);
  const Bytes masked_server = {0x82, 0x80, 0, 0, 0, 0};
  EXPECT_EQ(decode(masked_server, From::kServer, kLimit).error().code, ErrorCode::kMalformed);
}

TEST(WebSocket, TellsWhyItCloses) {
  EXPECT_EQ(close_payload(CloseCode::kProtocolError), (Bytes{0x03, 0xEA}));
}

}  // namespace
}  // namespace wakeline::wire::websocket
