// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace wakeline::host {

/// The front of a UTF-8 text: at most `size_max` bytes, whole characters.
inline std::string shortened(std::string_view text, std::size_t size_max) {
  if (text.size() <= size_max) return std::string(text);
  std::size_t end = size_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return std::string(text.substr(0, end));
}

}  // namespace wakeline::host
