// SPDX-License-Identifier: Apache-2.0
#include "server/vapid.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include <boost/json.hpp>

#include "server/es256.h"
#include "server/http_reply.h"

namespace wakeline::server {

using base::ErrorCode;
namespace json = boost::json;

namespace {

constexpr std::string_view kScheme = "vapid ";
constexpr std::size_t kGoodMax = 4'096;  ///< tokens that are remembered
/// Later times do not fit; a token may not live that long anyway.
constexpr double kLatestTime = 4e9;

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

/// The value of a parameter in "t=…, k=…" (RFC 9110 §11.2); empty when it is missing.
std::string_view parameter(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    std::string_view part = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos || !same_word(trimmed(part.substr(0, equals)), name))
      continue;
    part = trimmed(part.substr(equals + 1));
    if (part.size() >= 2 && part.front() == '"' && part.back() == '"')
      part = part.substr(1, part.size() - 2);
    return part;
  }
  return {};
}

std::optional<json::object> object_of(std::string_view encoded) {
  const auto bytes = base::from_base64url(encoded);
  if (!bytes) return std::nullopt;
  json::error_code error;
  json::parse_options options;
  options.max_depth = 4;
  json::value value = json::parse(base::as_text(*bytes), error, {}, options);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.get_object());
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

/// Whom a token is for: one, or a list (RFC 7519 §4.1.3). A list that is not one of texts is empty.
std::vector<std::string> audiences_of(const json::object& claims) {
  const json::value* value = claims.if_contains("aud");
  if (value == nullptr) return {};
  if (value->is_string()) return {std::string(value->get_string())};
  std::vector<std::string> audiences;
  if (!value->is_array()) return audiences;
  for (const json::value& one : value->get_array()) {
    if (!one.is_string()) return {};
    audiences.push_back(std::string(one.get_string()));
  }
  return audiences;
}

bool is_for(const std::vector<std::string>& audiences, std::string_view origin) {
  return !origin.empty() && std::ranges::any_of(audiences, [origin](const std::string& audience) {
    return same_word(audience, origin);
  });
}

std::optional<std::int64_t> seconds_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  const double seconds = value->to_number<double>();
  if (!(seconds >= 0 && seconds < kLatestTime)) return std::nullopt;
  return static_cast<std::int64_t>(std::floor(seconds));
}

}  // namespace

base::Result<VapidToken> read_vapid(std::string_view authorization) {
  if (authorization.size() < kScheme.size() ||
      !same_word(authorization.substr(0, kScheme.size()), kScheme))
    return base::fail(ErrorCode::kUnauthorized, "vapid scheme");
  if (authorization.size() > kVapidTokenMax + 256) return base::fail(ErrorCode::kTooLarge, "vapid");
  authorization.remove_prefix(kScheme.size());
  const std::string_view token = parameter(authorization, "t");
  const auto key = base::from_base64url(parameter(authorization, "k"));
  const std::size_t first = token.find('.');
  const std::size_t second = token.find('.', first == std::string_view::npos ? 0 : first + 1);
  if (token.size() > kVapidTokenMax) return base::fail(ErrorCode::kTooLarge, "vapid token");
  if (!key || key->size() != kP256PointSize) return base::fail(ErrorCode::kMalformed, "vapid k");
  if (first == std::string_view::npos || second == std::string_view::npos || first == second)
    return base::fail(ErrorCode::kMalformed, "vapid t");
  const auto header = object_of(token.substr(0, first));
  const auto claims = object_of(token.substr(first + 1, second - first - 1));
  auto signature = base::from_base64url(token.substr(second + 1));
  if (!header || !claims || !signature || signature->size() != kEs256Size)
    return base::fail(ErrorCode::kMalformed, "vapid t");
  // Any other algorithm, "none" above all, is no signature of the key.
  if (text_of(*header, "alg") != "ES256") return base::fail(ErrorCode::kMalformed, "vapid alg");
  const auto expires = seconds_of(*claims, "exp");
  if (!expires) return base::fail(ErrorCode::kMalformed, "vapid exp");
  return VapidToken{.signed_part = std::string(token.substr(0, second)),
                    .signature = std::move(*signature),
                    .key = *key,
                    .audiences = audiences_of(*claims),
                    .subject = text_of(*claims, "sub"),
                    .expires_s = *expires};
}

std::string_view origin_part(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  url = url.substr(0, url.find_first_of("/?#", scheme + 3));
  const std::string_view own = same_word(url.substr(0, scheme), "https") ? ":443" : ":80";
  if (url.substr(scheme + 3).ends_with(own)) url.remove_suffix(own.size());
  return url;
}

std::string describe_vapid(const base::Error& error, std::string_view origin) {
  const std::string_view where = error.where;
  if (where == "vapid aud") {
    if (origin.empty()) return "the token's aud must be this server, which the request must name";
    return fmt::format("the token's aud must be \"{}\"", origin);
  }
  if (where == "vapid exp") {
    return fmt::format("the token's exp must be a time in seconds within {} hours from now",
                       std::chrono::duration_cast<std::chrono::hours>(kVapidLifeMax).count());
  }
  return std::string(where);
}

base::Result<base::Bytes> VapidVerifier::verify(std::string_view authorization,
                                                std::string_view origin, base::WallTime now) {
  const std::string field(authorization);
  if (const auto it = good_.find(field); it != good_.end()) {
    if (now < it->second.until && is_for(it->second.audiences, origin)) return it->second.key;
    good_.erase(it);
  }
  auto token = read_vapid(authorization);
  if (!token) return base::fail(token.error());
  if (!is_for(token->audiences, origin)) return base::fail(ErrorCode::kPermission, "vapid aud");
  const base::WallTime expires{std::chrono::seconds(token->expires_s)};
  if (expires + kVapidClockSkew <= now || expires > now + kVapidLifeMax + kVapidClockSkew)
    return base::fail(ErrorCode::kPermission, "vapid exp");
  if (!verify_es256(token->key, base::as_bytes(token->signed_part), token->signature))
    return base::fail(ErrorCode::kPermission, "vapid signature");
  if (good_.size() >= kGoodMax) good_.clear();
  good_.emplace(field, Good{token->key, token->audiences, expires + kVapidClockSkew});
  return std::move(token->key);
}

}  // namespace wakeline::server
