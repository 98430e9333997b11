// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "wire/sip_ping.h"

using namespace wakeline;  // NOLINT(google-build-using-namespace): a program of one function

/// What is only pings begins as one, is so twice over, and is none any more with a call behind it
/// or without its last byte.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (!wire::holds_only_sip_pings(text)) return 0;
  WL_CHECK(text.size() <= wire::kPingBytesMax);
  WL_CHECK(text.starts_with("\r\n") || text.starts_with("OPTIONS "));
  WL_CHECK(text.ends_with("\r\n"));
  WL_CHECK(!wire::holds_only_sip_pings(text.substr(0, size - 1)));
  WL_CHECK(!wire::holds_only_sip_pings(text + "INVITE sip:a SIP/2.0\r\nl: 0\r\n\r\n"));
  if (2 * size <= wire::kPingBytesMax) WL_CHECK(wire::holds_only_sip_pings(text + text));
  return 0;
}
