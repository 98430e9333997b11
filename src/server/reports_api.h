// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "server/authorizer.h"
#include "server/http_front.h"
#include "store/store.h"

namespace wakeline::server {

/// `/v1/reports`: what devices published, for the app server that fetches it and then says so.
class ReportsApi {
 public:
  ReportsApi(Authorizer& authorizer, store::Store& store)
      : authorizer_(authorizer), store_(store) {}

  void handle(const HttpRequest& request, const HttpFront::Respond& respond);

 private:
  void list(const HttpRequest& request, const HttpFront::Respond& respond);
  void remove(const HttpRequest& request, const HttpFront::Respond& respond);

  Authorizer& authorizer_;
  store::Store& store_;
};

}  // namespace wakeline::server
