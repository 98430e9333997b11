// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "host/settings.h"

/// Any text is settings or an error with a sentence; what was read reads the same once written.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace wakeline;
  const auto settings =
      host::parse_settings(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!settings) {
    WL_CHECK(!settings.error().empty());
    return 0;
  }
  const auto again = host::parse_settings(host::to_text(*settings));
  WL_CHECK_MSG(again.has_value(), "{}", again.error());
  WL_CHECK(*again == *settings);
  return 0;
}
