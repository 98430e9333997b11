// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "server/http_front.h"
#include "server/push_desk.h"
#include "server/rate_limiter.h"
#include "server/receipts_api.h"
#include "server/vapid.h"
#include "store/directory.h"
#include "store/store.h"

namespace wakeline::server {

/// Where Web Push endpoints and messages lie.
inline constexpr std::string_view kWebPushPath = "/wp/";
inline constexpr std::string_view kUnifiedPushPath = "/up/";
inline constexpr std::string_view kMessagePath = "/m/";

/// "https://push.example.org": what the addresses that we give out begin with. `public_url` is the
/// configured one, which may have a path, or empty. Empty where nobody names a host.
std::string origin_of(const HttpRequest& request, const std::string& public_url);

/// Web Push (RFC 8030, RFC 8292): an app server POSTs an encrypted body to an endpoint, whose
/// address is the permission. The same endpoints take raw bodies in the form of UnifiedPush.
class WebPushApi {
 public:
  struct Parts {
    store::Directory& directory;
    store::Store& store;
    PushDesk& desk;
    base::Bytes secret;  ///< of the messages' addresses
    ReceiptsApi& receipts;
    RateLimiter& by_device;  ///< of all that is pushed to one, by whatever API
    std::string public_url;  ///< empty: by the request's Host
    bool vapid_required = false;
  };
  WebPushApi(Parts parts, const Limits& limits);

  /// GET and POST below kWebPushPath and kUnifiedPushPath.
  void handle(const HttpRequest& request, const HttpFront::Respond& respond);
  /// DELETE below kMessagePath.
  void handle_message(const HttpRequest& request, const HttpFront::Respond& respond);
  void set_limits(const Limits& limits);

 private:
  struct Form;

  void push(const HttpRequest& request, bool strict, std::string_view capability,
            const HttpFront::Respond& respond);
  std::expected<store::Subscription, HttpResponse> find(std::string_view capability);
  std::optional<HttpResponse> refuse_sender(const HttpRequest& request,
                                            const store::Subscription& subscription);

  Parts parts_;
  VapidVerifier vapid_;
  RateLimiter by_endpoint_{0, 0};
};

}  // namespace wakeline::server
