// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace wakeline::base {

using Bytes = std::vector<std::uint8_t>;
using BytesView = std::span<const std::uint8_t>;

inline BytesView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(BytesView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Reads big-endian values from the front of a view; after the first failure every read fails.
/// Errors:   `ok()` is false once a read went past the end.
/// Lifetime: views into the input.
class ByteReader {
 public:
  explicit ByteReader(BytesView input) : rest_(input) {}

  std::uint8_t u8();
  std::uint16_t u16();
  std::uint32_t u32();
  std::uint64_t u64();
  BytesView take(std::size_t size);

  bool ok() const { return ok_; }
  bool empty() const { return rest_.empty(); }
  std::size_t remaining() const { return rest_.size(); }

 private:
  BytesView rest_;
  bool ok_ = true;
};

/// Appends big-endian values to a buffer that the caller owns.
class ByteWriter {
 public:
  explicit ByteWriter(Bytes& out) : out_(out) {}

  void u8(std::uint8_t value);
  void u16(std::uint16_t value);
  void u32(std::uint32_t value);
  void u64(std::uint64_t value);
  void put(BytesView bytes);

 private:
  Bytes& out_;
};

/// Lower-case hexadecimal, two characters a byte.
std::string to_hex(BytesView bytes);
/// Errors: kMalformed (odd length or another character).
Result<Bytes> from_hex(std::string_view text);

/// Base64 with the URL alphabet and without padding. Source: RFC 4648 §5.
std::string to_base64url(BytesView bytes);
/// Accepts no padding, no white space. Errors: kMalformed.
Result<Bytes> from_base64url(std::string_view text);

/// Whether `text` is UTF-8 without overlong forms and surrogates. Source: RFC 3629.
bool is_utf8(std::string_view text);

}  // namespace wakeline::base
