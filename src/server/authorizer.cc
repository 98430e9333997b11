// SPDX-License-Identifier: Apache-2.0
#include "server/authorizer.h"

#include <openssl/evp.h>

#include <utility>

#include "io/clock.h"
#include "server/http_reply.h"
#include "server/subscriber.h"
#include "server/tokens.h"

namespace wakeline::server {

using base::ErrorCode;

namespace {

constexpr std::size_t kCredentialsMax = 512;  ///< base64 of a name, a colon and a token

/// What stands behind the scheme; empty when it is another one.
std::string_view credentials(std::string_view authorization, std::string_view scheme) {
  if (authorization.size() <= scheme.size() + 1 || authorization[scheme.size()] != ' ' ||
      !same_word(authorization.substr(0, scheme.size()), scheme))
    return {};
  authorization.remove_prefix(scheme.size() + 1);
  while (authorization.starts_with(' ')) authorization.remove_prefix(1);
  return authorization;
}

/// Padded base64 (RFC 4648 §4); empty when it is none.
std::string from_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0 || text.size() > kCredentialsMax) return {};
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size < 0) return {};
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  bytes.resize(static_cast<std::size_t>(size) - padding);
  return bytes;
}

}  // namespace

HttpResponse forbidden_reply(std::string_view what) {
  return failure_reply(403, ErrorCode::kPermission,
                       "this token may not " + std::string(what) + "; its scopes say what it may");
}

Authorizer::Authorizer(store::Directory& directory, store::Registry& registry, LoginGuard& guard,
                       OnDenied on_denied)
    : directory_(directory), registry_(registry), guard_(guard), on_denied_(std::move(on_denied)) {}

std::optional<HttpResponse> Authorizer::kept_out(const HttpRequest& request,
                                                 std::string_view device) {
  const auto wait = guard_.wait(subscriber_of(request.peer), device, io::now());
  if (!wait) return std::nullopt;
  return retry_after(
      failure_reply(429, ErrorCode::kBusy, "too many wrong tokens came from this address"), *wait);
}

HttpResponse Authorizer::denied(const HttpRequest& request, std::string_view device,
                                std::string_view why, std::string_view scheme) {
  const bool waits = guard_.on_wrong(subscriber_of(request.peer), device, io::now());
  on_denied_(request.peer, why, waits);
  return with(failure_reply(401, ErrorCode::kUnauthorized, why), "WWW-Authenticate",
              std::string(scheme));
}

std::expected<const Authorizer::Sender*, HttpResponse> Authorizer::sender(
    const HttpRequest& request) {
  if (auto answer = kept_out(request, {})) return std::unexpected(std::move(*answer));
  const std::string_view token = credentials(request.field("authorization"), "Bearer");
  if (token.empty())
    return std::unexpected(
        denied(request, {}, "a bearer token of an app server is needed", "Bearer"));
  // The look-up is by the hash, of which a guesser knows nothing beforehand: its time tells nothing
  // of the tokens.
  const TokenHash hash = hash_token(base::as_bytes(token));
  if (const auto known = known_.find(hash); known != known_.end()) return &known->second;
  const auto found = directory_.senders().find(hash, io::wall_now());
  if (!found) return std::unexpected(logged_unavailable_reply(found.error()));
  if (!*found)
    return std::unexpected(denied(request, {}, "this token is unknown or has expired", "Bearer"));
  auto scopes = Scopes::parse((*found)->scopes);
  if (!scopes) return std::unexpected(logged_unavailable_reply(scopes.error()));
  const Sender& sender =
      known_.emplace(hash, Sender{(*found)->name, std::move(*scopes)}).first->second;
  return &sender;
}

std::expected<store::Device, HttpResponse> Authorizer::device(const HttpRequest& request) {
  constexpr std::string_view kChallenge = R"(Basic realm="wakeline device", charset="UTF-8")";
  constexpr std::string_view kWhy = "the name and token of a device are needed";
  const std::string pair = from_base64(credentials(request.field("authorization"), "Basic"));
  const std::size_t colon = pair.find(':');
  const bool whole = colon != std::string::npos;
  const std::string_view name = whole ? std::string_view(pair).substr(0, colon) : "";
  if (auto answer = kept_out(request, name)) return std::unexpected(std::move(*answer));
  if (!whole) return std::unexpected(denied(request, {}, kWhy, kChallenge));
  const TokenHash given = hash_token(base::as_bytes(std::string_view(pair).substr(colon + 1)));
  auto row = registry_.find_device(name);
  if (!row) return std::unexpected(logged_unavailable_reply(row.error()));
  // An unknown name takes the time of a wrong token.
  const TokenHash wanted = *row ? (*row)->token_hash : TokenHash{};
  if (!same(given, wanted) || !*row)
    return std::unexpected(denied(request, name, kWhy, kChallenge));
  guard_.on_right(subscriber_of(request.peer), name);
  return std::move(**row);
}

}  // namespace wakeline::server
