// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "server/http_front.h"
#include "server/push_desk.h"
#include "store/registry.h"

namespace wakeline::server {

/// The app servers' API: `POST /v1/push` and `GET /healthz`; see docs/protocol.md.
class PushApi {
 public:
  PushApi(store::Registry& senders, PushDesk& desk) : senders_(senders), desk_(desk) {}

  void handle(const HttpRequest& request, const HttpFront::Respond& respond);

 private:
  void push(const HttpRequest& request, const HttpFront::Respond& respond);
  base::Result<bool> authorized(const HttpRequest& request);

  store::Registry& senders_;
  PushDesk& desk_;
};

}  // namespace wakeline::server
