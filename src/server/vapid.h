// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

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
  base::Bytes key{};                     ///< the public key that it came with
  std::vector<std::string> audiences{};  ///< whom it is for
  std::string subject{};                 ///< whom to ask; empty: nobody
  std::int64_t expires_s = 0;
};
/// Reads "vapid t=TOKEN, k=KEY" (§3). Errors: kUnauthorized (another scheme), kMalformed,
/// kTooLarge.
base::Result<VapidToken> read_vapid(std::string_view authorization);

/// The origin of an address: scheme, host, and a port that is not the scheme's own. Source: RFC
/// 6454. Lifetime: views `url`.
std::string_view origin_part(std::string_view url);
/// Why a token is refused, for who wrote it: `error` of `verify` with that origin.
std::string describe_vapid(const base::Error& error, std::string_view origin);

/// Checks tokens, and remembers good ones until they expire: an app server sends many pushes with
/// one.
class VapidVerifier {
 public:
  /// `origin`: that of the endpoint's address, "https://push.example.org:8443".
  /// Returns: the key that signed.
  /// Errors:  those of read_vapid; kPermission (signature, audience, time).
  base::Result<base::Bytes> verify(std::string_view authorization, std::string_view origin,
                                   base::WallTime now);

 private:
  struct Good {
    base::Bytes key;
    std::vector<std::string> audiences;
    base::WallTime until;
  };
  std::unordered_map<std::string, Good> good_;  ///< by the header field
};

}  // namespace wakeline::server
