// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "server/es256.h"
#include "server/http2_client.h"
#include "server/options.h"
#include "store/fallbacks.h"
#include "store/types.h"

/// What goes to another service for a device that is gone.
namespace wakeline::server {

/// The vendor's tokens: made anew before they are an hour old, and not more often than every twenty
/// minutes, as it asks. No key: none are made.
class ApnsSigner {
 public:
  ApnsSigner(Key key, std::string key_id, std::string team_id)
      : key_(std::move(key)), key_id_(std::move(key_id)), team_id_(std::move(team_id)) {}

  bool usable() const { return key_ != nullptr; }
  const std::string& token(base::WallTime now);

 private:
  Key key_;
  std::string key_id_;
  std::string team_id_;
  std::string token_;
  base::WallTime made_{};
};

/// Says who we are to another Web Push service (RFC 8292). The key lives as long as the process.
class VapidSigner {
 public:
  VapidSigner() : key_(make_p256_key()) {}
  /// The value of Authorization for that endpoint.
  std::string authorization(const std::string& endpoint, base::WallTime now) const;

 private:
  Key key_;
};

/// `token`: of ApnsSigner. The body has the push's own text where it is one of ours, else that
/// something waits.
Http2Client::Request apns_request(const FallbackOptions& options, const store::Fallback& fallback,
                                  const store::Push& push, base::WallTime now,
                                  const std::string& token);
/// The push's bytes as they are, when they are encrypted for the app; else an empty message.
Http2Client::Request web_push_request(const store::Fallback& fallback, const store::Push& push,
                                      base::WallTime now, const std::string& authorization);

/// What an answer of either service means for the push. kWrongSetup: it would say the same of every
/// device where our own URL, key or kind of push is wrong, so no address may be forgotten for it.
enum class Verdict { kSent, kAddressGone, kRefused, kTryAgain, kWrongSetup };
Verdict verdict_of(const Http2Client::Answer& answer, store::FallbackKind kind);
/// The word with which the vendor's service says why, fit for a log; empty: none. The rest of an
/// answer may repeat the address.
std::string reason_of(const Http2Client::Answer& answer);

}  // namespace wakeline::server
