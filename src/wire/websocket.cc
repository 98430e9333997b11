// SPDX-License-Identifier: Apache-2.0
#include "wire/websocket.h"

namespace wakeline::wire::websocket {

namespace {

constexpr std::uint8_t kFinal = 0x80;
constexpr std::uint8_t kReserved = 0x70;
constexpr std::uint8_t kMasked = 0x80;
constexpr std::uint64_t kControlMax = 125;

bool is_opcode(std::uint8_t value) { return value <= 2 || (value >= 8 && value <= 10); }

void header(Opcode opcode, std::size_t size, std::uint8_t mask_bit, base::Bytes& out) {
  base::ByteWriter writer(out);
  writer.u8(static_cast<std::uint8_t>(kFinal | static_cast<std::uint8_t>(opcode)));
  if (size <= kControlMax) {
    writer.u8(static_cast<std::uint8_t>(mask_bit | size));
  } else if (size <= 0xFFFF) {
    writer.u8(mask_bit | 126);
    writer.u16(static_cast<std::uint16_t>(size));
  } else {
    writer.u8(mask_bit | 127);
    writer.u64(size);
  }
}

}  // namespace

base::Result<Decoded> decode(base::BytesView input, From from, std::size_t limit) {
  const auto malformed = base::fail(base::ErrorCode::kMalformed, "websocket");
  base::ByteReader reader(input);
  const std::uint8_t first = reader.u8();
  const std::uint8_t second = reader.u8();
  if (!reader.ok()) return Decoded{};
  const std::uint8_t number = first & 0x0F;
  const bool masked = (second & kMasked) != 0;
  if ((first & kReserved) != 0 || !is_opcode(number) || masked != (from == From::kClient))
    return malformed;
  const auto opcode = static_cast<Opcode>(number);
  const bool final = (first & kFinal) != 0;
  std::uint64_t size = second & 0x7F;
  if (is_control(opcode) && (!final || size > kControlMax)) return malformed;
  if (size == 126) {
    size = reader.u16();
    if (reader.ok() && size <= kControlMax) return malformed;
  } else if (size == 127) {
    size = reader.u64();
    if (reader.ok() && (size <= 0xFFFF || size >> 63 != 0)) return malformed;
  }
  if (!reader.ok()) return Decoded{};
  if (size > limit) return base::fail(base::ErrorCode::kTooLarge, "websocket");
  const base::BytesView mask = masked ? reader.take(4) : base::BytesView();
  const base::BytesView payload = reader.take(static_cast<std::size_t>(size));
  if (!reader.ok()) return Decoded{};
  Decoded decoded{.consumed = input.size() - reader.remaining(),
                  .frame = {final, opcode, {payload.begin(), payload.end()}}};
  for (std::size_t i = 0; masked && i < decoded.frame.payload.size(); ++i)
    decoded.frame.payload[i] ^= mask[i % 4];
  return decoded;
}

void encode(Opcode opcode, base::BytesView payload, base::Bytes& out) {
  header(opcode, payload.size(), 0, out);
  base::ByteWriter(out).put(payload);
}

void encode_masked(Opcode opcode, base::BytesView payload, const std::array<std::uint8_t, 4>& mask,
                   base::Bytes& out) {
  header(opcode, payload.size(), kMasked, out);
  base::ByteWriter(out).put(mask);
  for (std::size_t i = 0; i < payload.size(); ++i)
    out.push_back(static_cast<std::uint8_t>(payload[i] ^ mask[i % 4]));
}

base::Bytes close_payload(CloseCode code) {
  base::Bytes payload;
  base::ByteWriter(payload).u16(static_cast<std::uint16_t>(code));
  return payload;
}

}  // namespace wakeline::wire::websocket
