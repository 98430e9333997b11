// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "server/authorizer.h"
#include "server/http_front.h"
#include "server/push_desk.h"
#include "server/rate_limiter.h"
#include "store/directory.h"

namespace wakeline::server {

/// `POST /v1/push`: one push or many, each to a device, a user or a group; see docs/protocol.md.
class PushApi {
 public:
  /// `by_device`: of all that is pushed to one, by whatever API.
  PushApi(Authorizer& authorizer, store::Directory& directory, PushDesk& desk,
          RateLimiter& by_device, const Limits& limits);

  void handle(const HttpRequest& request, const HttpFront::Respond& respond);
  void set_limits(const Limits& limits);

 private:
  struct Answers;

  /// Sends one to the devices that it means; `answers` gets a result for each.
  void send(const wire::PushRequest& push, std::size_t index, const Authorizer::Sender& sender,
            const std::shared_ptr<Answers>& answers);
  void send_to(const std::string& device, const wire::PushRequest& push, base::Bytes body,
               std::size_t index, const std::string& sender,
               const std::shared_ptr<Answers>& answers);

  Authorizer& authorizer_;
  store::Directory& directory_;
  PushDesk& desk_;
  RateLimiter& by_device_;
  RateLimiter by_sender_{0, 0};
};

}  // namespace wakeline::server
