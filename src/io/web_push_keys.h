// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"

namespace wakeline::io {

/// The longest body that is opened: 4,096 bytes of content in one record, and what is around it.
inline constexpr std::size_t kSealedMax = 8'192;

/// What an app server encrypts pushes with, so that nobody on their way reads them: the app's P-256
/// key and its 16 secret bytes. The text of both is a secret; what the app server gets is not.
/// Source: RFC 8291, with the content encoding of RFC 8188.
class WebPushKeys {
 public:
  /// Errors: kTls (no randomness).
  static base::Result<WebPushKeys> generate();
  /// Shape: three words of base64url: private key (32 B), public key (65 B), secret (16 B); a line
  ///        end behind them.
  /// Errors: kMalformed (the form, a point off the curve, keys that do not belong together).
  static base::Result<WebPushKeys> from_text(std::string_view text);
  std::string text() const;

  /// `p256dh` and `auth` of a Web Push subscription, in base64url.
  std::string public_key() const { return base::to_base64url(public_); }
  std::string secret() const { return base::to_base64url(secret_); }

  /// Opens a body of `Content-Encoding: aes128gcm`.
  /// Shape:  salt 16 B, record size 4 B, length of the sender's key 1 B (65), that key, one record.
  /// Errors: kMalformed (the form, a point off the curve, padding), kTooLarge (over kSealedMax),
  ///         kUnauthorized (sealed for other keys, or changed on its way).
  base::Result<base::Bytes> open(base::BytesView body) const;

  friend bool operator==(const WebPushKeys&, const WebPushKeys&) = default;

 private:
  std::array<std::uint8_t, 32> private_{};
  std::array<std::uint8_t, 65> public_{};
  std::array<std::uint8_t, 16> secret_{};
};

}  // namespace wakeline::io
