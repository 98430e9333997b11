// SPDX-License-Identifier: Apache-2.0
#include "server/ops_api.h"

#include <boost/json.hpp>

#include "base/log.h"
#include "server/http_reply.h"

namespace wakeline::server {

namespace json = boost::json;

namespace {

constexpr const char* kPlain = "text/plain; charset=utf-8";
constexpr const char* kPrometheus = "text/plain; version=0.0.4; charset=utf-8";

HttpResponse text_reply(unsigned status, std::string text, const char* type = kPlain) {
  return {.status = status, .content_type = type, .body = std::move(text)};
}

}  // namespace

std::optional<HttpResponse> OpsApi::refused(const HttpRequest& request, bool trusted) {
  if (trusted) return std::nullopt;
  const auto sender = authorizer_.sender(request);
  if (!sender) return sender.error();
  if (!(*sender)->scopes.stats()) return forbidden_reply("read statistics");
  return std::nullopt;
}

bool OpsApi::handle(const HttpRequest& request, const HttpFront::Respond& respond, bool trusted) {
  const std::string_view path = request.path();
  const bool known = path == "/healthz" || path == "/readyz" || path == "/metrics" ||
                     path == "/v1/stats" || path == "/v1/openapi.json";
  if (!known) return false;
  if (request.method != "GET" && request.method != "HEAD") {
    respond(method_reply("GET, HEAD"));
  } else if (path == "/healthz") {
    respond(text_reply(200, "ok\n"));
  } else if (path == "/readyz") {
    ready(respond);
  } else if (path == "/v1/openapi.json") {
    respond({.status = 200,
             .content_type = std::string(kJson),
             .body = std::string(openapi_document())});
  } else if (auto answer = refused(request, trusted)) {
    respond(std::move(*answer));
  } else if (path == "/metrics") {
    respond(text_reply(200, metrics_.text(), kPrometheus));
  } else {
    const Stats stats = stats_();
    const json::object body{{"devices", stats.devices},
                            {"waiting", stats.waiting},
                            {"connections", stats.connections},
                            {"http_connections", stats.http_connections},
                            {"accepted", stats.accepted},
                            {"delivered", stats.delivered},
                            {"up_s", std::chrono::floor<std::chrono::seconds>(stats.up).count()}};
    respond(json_reply(200, json::serialize(body)));
  }
  return true;
}

/// Ready is who takes pushes: a transaction of nothing goes the way that one goes.
void OpsApi::ready(const HttpFront::Respond& respond) {
  const auto queued = store_.run(
      [](store::Database&) -> base::Result<void> { return {}; },
      [this, respond](base::Result<void> done) {
        if (done && store_.full()) return respond(text_reply(503, "no space left\n"));
        if (done) return respond(text_reply(200, "ready\n"));
        base::log(base::LogLevel::kError, "http", "not ready: {}", base::to_string(done.error()));
        respond(
            text_reply(503, "the store: " + std::string(base::describe(done.error().code)) + "\n"));
      });
  if (!queued) respond(text_reply(503, "too many writes wait for the disk\n"));
}

}  // namespace wakeline::server
