// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "wire/mqtt.h"

/// What the reading and the writing half of the MQTT codec share. Only for src/wire/mqtt_*.cc.
namespace wakeline::wire::mqtt::codec {

/// Source: §2.1.2. 1..15 as sent in the upper half of a packet's first byte.
enum class PacketType : std::uint8_t {
  kConnect = 1,
  kConnack,
  kPublish,
  kPuback,
  kPubrec,
  kPubrel,
  kPubcomp,
  kSubscribe,
  kSuback,
  kUnsubscribe,
  kUnsuback,
  kPingreq,
  kPingresp,
  kDisconnect,
  kAuth,
};

/// The lower half of the first byte, fixed for all but PUBLISH. Source: §2.1.3.
constexpr std::uint8_t fixed_flags(PacketType type) {
  const bool two = type == PacketType::kPubrel || type == PacketType::kSubscribe ||
                   type == PacketType::kUnsubscribe;
  return two ? 2 : 0;
}

/// "mqtt.publish": what `Error::where` says about a packet.
const char* where(PacketType type);

/// A place where properties stand, as a bit: the columns of the table in §2.2.2.2.
enum class Place : std::uint16_t {
  kConnect = 1 << 0,
  kWill = 1 << 1,
  kConnack = 1 << 2,
  kPublish = 1 << 3,
  kAck = 1 << 4,  ///< PUBACK, PUBREC, PUBREL, PUBCOMP: one column, they allow the same
  kSubscribe = 1 << 5,
  kSuback = 1 << 6,
  kUnsubscribe = 1 << 7,
  kUnsuback = 1 << 8,
  kDisconnect = 1 << 9,
  kAuth = 1 << 10,
};

/// The largest variable byte integer. Source: §1.5.5.
inline constexpr std::uint32_t kVarintMax = 268'435'455;
/// Bytes of a string or of binary data. Source: §1.5.4, §1.5.6.
inline constexpr std::size_t kFieldMax = 65'535;

/// Reads the data types of §1.5; the first bad one makes every later read fail.
class Reader : public base::ByteReader {
 public:
  using base::ByteReader::ByteReader;

  std::string text();      ///< UTF-8 without U+0000
  base::Bytes binary();    ///< with a length of two bytes before it
  base::Bytes rest();      ///< up to the end
  std::uint32_t varint();  ///< in the shortest form, as §1.5.5 demands

  /// Makes the reader fail; the first code stays.
  void refuse(base::ErrorCode code = base::ErrorCode::kMalformed);
  base::ErrorCode error() const { return error_; }

 private:
  base::ErrorCode error_ = base::ErrorCode::kMalformed;  // meaningful once ok() is false
};

/// Writes the data types of §1.5; the first value that has no encoding is remembered.
class Writer : public base::ByteWriter {
 public:
  using base::ByteWriter::ByteWriter;

  void text(std::string_view value);
  void binary(base::BytesView value);
  void varint(std::uint32_t value);

  void refuse(base::ErrorCode code);
  bool ok() const { return error_ == base::ErrorCode::kOk; }
  base::ErrorCode error() const { return error_; }

 private:
  base::ErrorCode error_ = base::ErrorCode::kOk;
};

/// Reads a property length and its properties; a property that `place` does not allow, that comes
/// twice or whose value is out of range makes `reader` fail.
void read_properties(Reader& reader, Place place, Properties& out);
/// Writes them, length first. Errors (in `writer`): kInvalidArgument for what the reader refuses.
void write_properties(Writer& writer, Place place, const Properties& properties);
bool is_empty(const Properties& properties);

/// The rules of the standard that a packet's values must keep, whichever way they travel: what
/// `decode` calls kMalformed and `encode` kInvalidArgument. What a version leaves out is not looked
/// at.
bool follows_rules(const Packet& packet, Version version);

}  // namespace wakeline::wire::mqtt::codec
