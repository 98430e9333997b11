// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "wire/shown_notices.h"

/// Any text is notices or an error; what was read reads the same once written.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace wakeline;
  const auto shown =
      wire::parse_shown_notices(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!shown) return 0;
  const auto text = wire::to_text(*shown);
  WL_CHECK(text.has_value());
  const auto again = wire::parse_shown_notices(*text);
  WL_CHECK(again.has_value());
  WL_CHECK(*again == *shown);
  return 0;
}
