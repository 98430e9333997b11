// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "server/audit_log.h"
#include "server/authorizer.h"
#include "server/http_front.h"
#include "store/directory.h"
#include "store/store.h"

namespace wakeline::server {

/// What a device arranges for itself with its name and token, or an app server for it with the
/// scope `subscriptions`: Web Push endpoints (`/v1/subscriptions`) and the last resort
/// (`/v1/fallback`).
class DeviceApi {
 public:
  struct Parts {
    Authorizer& authorizer;
    store::Directory& directory;
    store::Store& store;
    std::function<void(std::string_view event, AuditLog::Fields fields)> audit;
    std::string public_url;
  };
  explicit DeviceApi(Parts parts) : parts_(std::move(parts)) {}

  void handle_subscriptions(const HttpRequest& request, const HttpFront::Respond& respond);
  void handle_fallback(const HttpRequest& request, const HttpFront::Respond& respond);

 private:
  /// Who asks, and for which device.
  struct Caller {
    std::string device;
    std::string by;  ///< for the audit log
  };
  /// Or the answer. `named`: the device that the request names; a device itself needs not.
  std::expected<Caller, HttpResponse> caller(const HttpRequest& request, const std::string& named);
  void subscribe(const HttpRequest& request, const HttpFront::Respond& respond);
  void list(const HttpRequest& request, const HttpFront::Respond& respond);
  void unsubscribe(const HttpRequest& request, const HttpFront::Respond& respond);
  void set_fallback(const HttpRequest& request, const HttpFront::Respond& respond);
  void remove_fallback(const HttpRequest& request, const HttpFront::Respond& respond);

  Parts parts_;
};

}  // namespace wakeline::server
