// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <expected>
#include <functional>

#include "server/http_message.h"
#include "server/options.h"
#include "server/rate_limiter.h"
#include "server/scopes.h"
#include "store/directory.h"
#include "store/registry.h"

namespace wakeline::server {

/// Who asks: an app server by its token, or a device by its name and token. An address that gives
/// wrong ones again and again is told to wait, whatever it then gives.
class Authorizer {
 public:
  struct Sender {
    std::string name;
    Scopes scopes;
  };
  /// Told of each refusal, for the audit log: who, and why.
  using OnDenied = std::function<void(const std::string& address, std::string_view why)>;

  Authorizer(store::Directory& directory, store::Registry& registry, const Limits& limits,
             OnDenied on_denied);

  /// `Authorization: Bearer TOKEN` (RFC 6750 §2.1). Or the answer: 401, 429, 503.
  std::expected<Sender, HttpResponse> sender(const HttpRequest& request);
  /// `Authorization: Basic` of NAME:TOKEN (RFC 7617). Or the answer: 401, 429, 503.
  std::expected<store::Device, HttpResponse> device(const HttpRequest& request);
  void set_limits(const Limits& limits);

 private:
  /// Nothing: it may try.
  std::optional<HttpResponse> blocked(const HttpRequest& request);
  HttpResponse denied(const HttpRequest& request, std::string_view why, std::string_view scheme);

  store::Directory& directory_;
  store::Registry& registry_;
  RateLimiter failures_;
  OnDenied on_denied_;
};

/// 403: the token is known, and may not do this.
HttpResponse forbidden_reply(std::string_view what);

}  // namespace wakeline::server
