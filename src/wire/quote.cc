// SPDX-License-Identifier: Apache-2.0
#include "wire/quote.h"

namespace wakeline::wire {

std::string shortened(std::string_view foreign) {
  std::size_t size = foreign.size();
  if (size > kQuotedMax) {
    size = kQuotedMax;
    // Back over the continuation bytes, so that the cut is before a character.
    while (size > 0 && (static_cast<unsigned char>(foreign[size]) & 0xC0) == 0x80) --size;
  }
  std::string text(foreign.substr(0, size));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7F) c = '?';
  }
  return text;
}

std::string quoted(std::string_view foreign) {
  const std::string text = shortened(foreign);
  return "'" + text + (text.size() < foreign.size() ? "...'" : "'");
}

}  // namespace wakeline::wire
