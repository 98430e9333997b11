// SPDX-License-Identifier: Apache-2.0
#include "base/printable.h"

#include <fmt/format.h>

#include "base/bytes.h"

namespace wakeline::base {
namespace {

constexpr std::size_t kCharacterMax = 4;  // bytes of UTF-8

/// The bytes of the first character; 0 when the text does not begin with one.
std::size_t first_character(std::string_view text) {
  for (std::size_t size = 1; size <= kCharacterMax && size <= text.size(); ++size) {
    if (is_utf8(text.substr(0, size))) return size;
  }
  return 0;
}

/// C1 is U+0080 to U+009F: C2 80 to C2 9F.
bool is_c1(std::string_view character) {
  return character.size() == 2 && character[0] == '\xC2' &&
         static_cast<unsigned char>(character[1]) < 0xA0;
}

std::string escape_of(unsigned char control) {
  switch (control) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      return fmt::format("\\x{:02x}", control);
  }
}

bool is_control(unsigned char byte) { return byte < 0x20 || byte == 0x7F; }

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = first_character(text.substr(at));
    const std::string_view character = text.substr(at, size == 0 ? 1 : size);
    const auto byte = static_cast<unsigned char>(character.back());
    at += character.size();
    if (size == 0)
      out += fmt::format("\\x{:02x}", byte);
    else if (is_c1(character))
      out += fmt::format("\\u{:04x}", byte);
    else if (size == 1 && is_control(byte))
      out += escape_of(byte);
    else
      out += character;
  }
  return out;
}

std::string printable_json(std::string_view json) {
  std::string out;
  for (std::size_t at = 0; at < json.size();) {
    const std::size_t size = first_character(json.substr(at));
    const std::string_view character = json.substr(at, size == 0 ? 1 : size);
    const auto byte = static_cast<unsigned char>(character.back());
    at += character.size();
    if (size == 0)
      out += "\xEF\xBF\xBD";
    else if (is_c1(character) || (size == 1 && is_control(byte) && byte != '\n'))
      out += fmt::format("\\u{:04x}", byte);
    else
      out += character;
  }
  return out;
}

}  // namespace wakeline::base
