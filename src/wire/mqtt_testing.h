// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"

/// What the tests of the MQTT codec share; no production code includes it.
namespace wakeline::wire::mqtt {

/// Spaces in the digits are for the eye.
inline base::Bytes hex(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != ' ') digits += c;
  }
  return *base::from_hex(digits);
}

}  // namespace wakeline::wire::mqtt
