// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"

namespace wakeline::server {

/// Limits of what an app server says of itself. Source: RFC 8292.
inline constexpr std::size_t kVapidTokenMax = 2'048;                         ///< bytes of the token
inline constexpr base::Duration kVapidLifeMax = std::chrono::hours(24);      ///< §2
inline constexpr base::Duration kVapidClockSkew = std::chrono::seconds(60);  ///< ours

/// What a token claims, read and not verified.
struct VapidToken {
  std::string signed_part{};  ///< header and claims as they came
  base::Bytes signature{};
  base::Bytes key{};  ///< the public key that it came with
  std::string audience{};
  std::string subject{};  ///< whom to ask; empty: nobody
  std::int64_t expires_s = 0;
};
/// Reads "vapid t=TOKEN, k=KEY" (§3). Errors: kUnauthorized (another scheme), kMalformed,
/// kTooLarge.
base::Result<VapidToken> read_vapid(std::string_view authorization);

/// Checks tokens, and remembers good ones until they expire: an app server sends many pushes with
/// one.
class VapidVerifier {
 public:
  /// `origin`: "https://push.example.org:8443", as the endpoint's address begins.
  /// Returns: the key that signed.
  /// Errors:  those of read_vapid; kPermission (signature, audience, time).
  base::Result<base::Bytes> verify(std::string_view authorization, std::string_view origin,
                                   base::WallTime now);

 private:
  struct Good {
    base::Bytes key;
    std::string audience;
    base::WallTime until;
  };
  std::unordered_map<std::string, Good> good_;  ///< by the header field
};

}  // namespace wakeline::server
