// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <expected>
#include <functional>
#include <map>

#include "server/http_message.h"
#include "server/login_guard.h"
#include "server/scopes.h"
#include "server/tokens.h"
#include "store/directory.h"
#include "store/registry.h"

namespace wakeline::server {

/// Who asks: an app server by its token, or a device by its name and token. Who gives wrong ones
/// again and again is told to wait, see LoginGuard.
class Authorizer {
 public:
  struct Sender {
    std::string name;
    Scopes scopes;
  };
  /// Told of each refusal, for the audit log: who, why, and whether the next one has to wait.
  using OnDenied =
      std::function<void(const std::string& address, std::string_view why, bool waits)>;

  Authorizer(store::Directory& directory, store::Registry& registry, LoginGuard& guard,
             OnDenied on_denied);

  /// `Authorization: Bearer TOKEN` (RFC 6750 §2.1). Or the answer: 401, 429, 503.
  /// Valid until `forget`, which comes once a turn of the loop: who pushes much is looked up once a
  /// turn, and a token that was taken away counts that much longer.
  std::expected<const Sender*, HttpResponse> sender(const HttpRequest& request);
  void forget() { known_.clear(); }
  /// `Authorization: Basic` of NAME:TOKEN (RFC 7617). Or the answer: 401, 429, 503.
  std::expected<store::Device, HttpResponse> device(const HttpRequest& request);

 private:
  /// Nothing: it may try. `device` empty: an app server.
  std::optional<HttpResponse> kept_out(const HttpRequest& request, std::string_view device);
  HttpResponse denied(const HttpRequest& request, std::string_view device, std::string_view why,
                      std::string_view scheme);

  store::Directory& directory_;
  store::Registry& registry_;
  LoginGuard& guard_;
  OnDenied on_denied_;
  std::map<TokenHash, Sender> known_;
};

/// 403: the token is known, and may not do this.
HttpResponse forbidden_reply(std::string_view what);

}  // namespace wakeline::server
