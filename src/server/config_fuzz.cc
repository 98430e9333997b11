// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "server/config.h"

/// Any text is a configuration or an error with a sentence; what was read can be written, and reads
/// the same again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace wakeline;
  const auto options =
      server::read_config(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!options) {
    WL_CHECK(!options.error().message.empty());
    WL_CHECK(!server::to_string(options.error(), "fuzz").empty());
    return 0;
  }
  const std::string text = server::config_text(*options);
  const auto again = server::read_config(text);
  WL_CHECK_MSG(again.has_value(), "{}", server::to_string(again.error(), "again"));
  WL_CHECK(server::config_text(*again) == text);
  WL_CHECK(server::need_restart(*options, *again).empty());
  return 0;
}
