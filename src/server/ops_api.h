// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "server/authorizer.h"
#include "server/http_front.h"
#include "server/metrics.h"
#include "store/store.h"

namespace wakeline::server {

/// What operators look at: `/healthz`, `/readyz`, `/metrics`, `/v1/stats`, `/v1/openapi.json`.
class OpsApi {
 public:
  /// What the server holds at this moment.
  struct Stats {
    std::uint64_t devices = 0;
    std::uint64_t waiting = 0;  ///< pushes that no device has acknowledged
    std::uint64_t connections = 0;
    std::uint64_t http_connections = 0;
    std::uint64_t accepted = 0;   ///< pushes, since the start
    std::uint64_t delivered = 0;  ///< and acknowledged by their devices, since the start
    base::Duration up{};
  };
  OpsApi(Authorizer& authorizer, store::Store& store, Metrics& metrics,
         std::function<Stats()> stats)
      : authorizer_(authorizer), store_(store), metrics_(metrics), stats_(std::move(stats)) {}

  /// Returns: false when the path is none of these. `trusted`: no token is asked for.
  bool handle(const HttpRequest& request, const HttpFront::Respond& respond, bool trusted);

 private:
  void ready(const HttpFront::Respond& respond);
  /// Or the answer.
  std::optional<HttpResponse> refused(const HttpRequest& request, bool trusted);

  Authorizer& authorizer_;
  store::Store& store_;
  Metrics& metrics_;
  std::function<Stats()> stats_;
};

/// docs/api/openapi.json, as it was when this was built.
std::string_view openapi_document();

}  // namespace wakeline::server
