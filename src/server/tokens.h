// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace wakeline::server {

using TokenHash = std::array<std::uint8_t, 32>;

/// 256 bits of the kernel's randomness as 43 characters of base64url.
std::string make_token();
/// SHA-256. A token has the full entropy of its hash, so no slow hash is needed.
TokenHash hash_token(base::BytesView token);
/// Compares in constant time.
bool same(const TokenHash& a, const TokenHash& b);

}  // namespace wakeline::server
