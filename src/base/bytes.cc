// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include <array>

namespace wakeline::base {

BytesView ByteReader::take(std::size_t size) {
  if (!ok_ || size > rest_.size()) {
    ok_ = false;
    rest_ = {};
    return {};
  }
  const BytesView front = rest_.first(size);
  rest_ = rest_.subspan(size);
  return front;
}

namespace {

template <class T>
T big_endian(BytesView bytes) {
  T value = 0;
  for (const std::uint8_t byte : bytes) value = static_cast<T>((value << 8) | byte);
  return value;
}

template <class T>
void append_big_endian(Bytes& out, T value) {
  for (std::size_t i = sizeof(T); i-- > 0;)
    out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

}  // namespace

std::uint8_t ByteReader::u8() {
  const BytesView bytes = take(1);
  return bytes.empty() ? std::uint8_t{0} : bytes[0];
}
std::uint16_t ByteReader::u16() { return big_endian<std::uint16_t>(take(2)); }
std::uint32_t ByteReader::u32() { return big_endian<std::uint32_t>(take(4)); }
std::uint64_t ByteReader::u64() { return big_endian<std::uint64_t>(take(8)); }

void ByteWriter::u8(std::uint8_t value) { out_.push_back(value); }
void ByteWriter::u16(std::uint16_t value) { append_big_endian(out_, value); }
void ByteWriter::u32(std::uint32_t value) { append_big_endian(out_, value); }
void ByteWriter::u64(std::uint64_t value) { append_big_endian(out_, value); }
void ByteWriter::put(BytesView bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }

std::string to_hex(BytesView bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

Result<Bytes> from_hex(std::string_view text) {
  const auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  if (text.size() % 2 != 0) return fail(ErrorCode::kMalformed, "hex");
  Bytes bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]);
    const int low = digit(text[i + 1]);
    if (high < 0 || low < 0) return fail(ErrorCode::kMalformed, "hex");
    bytes.push_back(static_cast<std::uint8_t>(high * 16 + low));
  }
  return bytes;
}

namespace {
constexpr std::string_view kBase64Url =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<std::int8_t, 256> base64url_values() {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i < kBase64Url.size(); ++i) {
    values[static_cast<unsigned char>(kBase64Url[i])] = static_cast<std::int8_t>(i);
  }
  return values;
}
constexpr auto kBase64UrlValues = base64url_values();
}  // namespace

std::string to_base64url(BytesView bytes) {
  std::string text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  int count = 0;
  for (const std::uint8_t byte : bytes) {
    bits = (bits << 8) | byte;
    count += 8;
    while (count >= 6) {
      count -= 6;
      text += kBase64Url[(bits >> count) & 63];
    }
  }
  if (count > 0) text += kBase64Url[(bits << (6 - count)) & 63];
  return text;
}

Result<Bytes> from_base64url(std::string_view text) {
  if (text.size() % 4 == 1) return fail(ErrorCode::kMalformed, "base64url");
  Bytes bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::int8_t value = kBase64UrlValues[static_cast<unsigned char>(c)];
    if (value < 0) return fail(ErrorCode::kMalformed, "base64url");
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(static_cast<std::uint8_t>(bits >> count));
    }
  }
  // Bits left over must be zero, or two texts would mean the same bytes.
  if ((bits & ((1U << count) - 1)) != 0) return fail(ErrorCode::kMalformed, "base64url");
  return bytes;
}

bool is_utf8(std::string_view text) {
  std::size_t i = 0;
  const auto at = [&](std::size_t k) { return static_cast<unsigned char>(text[k]); };
  while (i < text.size()) {
    const unsigned lead = at(i);
    std::size_t length = 0;
    std::uint32_t code = 0;
    std::uint32_t lowest = 0;
    if (lead < 0x80) {
      ++i;
      continue;
    }
    if ((lead & 0xE0) == 0xC0) {
      length = 2, code = lead & 0x1F, lowest = 0x80;
    } else if ((lead & 0xF0) == 0xE0) {
      length = 3, code = lead & 0x0F, lowest = 0x800;
    } else if ((lead & 0xF8) == 0xF0) {
      length = 4, code = lead & 0x07, lowest = 0x10000;
    } else {
      return false;
    }
    if (text.size() - i < length) return false;
    for (std::size_t k = 1; k < length; ++k) {
      if ((at(i + k) & 0xC0) != 0x80) return false;
      code = (code << 6) | (at(i + k) & 0x3F);
    }
    if (code < lowest || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return false;
    i += length;
  }
  return true;
}

}  // namespace wakeline::base
