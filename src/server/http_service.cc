// SPDX-License-Identifier: Apache-2.0
#include "server/http_service.h"

#include <utility>

#include "base/log.h"
#include "io/clock.h"
#include "server/data_folder.h"
#include "server/http_reply.h"
#include "wire/push.h"

namespace wakeline::server {

namespace {

/// Counting devices reads their whole table; figures may be as old as this.
constexpr base::Duration kTotalsAge = std::chrono::seconds(10);

/// What a request is counted under: never a part that its sender chose.
std::string_view route_of(std::string_view path) {
  for (const std::string_view route :
       {"/v1/push", "/v1/subscriptions", "/v1/fallback", "/v1/reports", "/v1/stats",
        "/v1/openapi.json", "/healthz", "/readyz", "/metrics", "/.well-known/unifiedpush"}) {
    if (path == route) return route;
  }
  for (const std::string_view route : {std::string_view("/v1/subscriptions/"), kWebPushPath,
                                       kUnifiedPushPath, kMessagePath, kReceiptsPath}) {
    if (path.starts_with(route)) return route;
  }
  return "other";
}

}  // namespace

base::Result<std::unique_ptr<HttpService>> HttpService::create(Parts parts) {
  const DataFolder folder(parts.options.data_folder);
  auto directory = store::Directory::open(folder.store(), store::Database::Mode::kRead);
  if (!directory) return base::fail(directory.error());
  auto secret = (*directory)->secret("messages");
  if (!secret) return base::fail(secret.error());
  auto receipts_secret = (*directory)->secret("receipts");
  if (!receipts_secret) return base::fail(receipts_secret.error());
  std::unique_ptr<HttpService> service(new HttpService(
      parts, std::move(*directory), std::move(*secret), std::move(*receipts_secret)));
  service->add_last_resort();
  return service;
}

void HttpService::add_last_resort() {
  last_resort_ = std::make_unique<LastResort>(
      LastResort::Parts{
          .loop = parts_.loop,
          .timers = parts_.timers,
          .store = parts_.store,
          .directory = *directory_,
          .metrics = metrics_,
          .apns = parts_.apns,
          .gone = [this](std::string_view device) { return parts_.devices.gone(device); },
          .audit =
              [this](std::string_view event, std::string_view device) {
                audit(event, {{"device", std::string(device)}}, false);
              }},
      parts_.options.fallback);
  parts_.desk.set_on_waiting([this] { last_resort_->on_stored(); });
}

HttpService::HttpService(Parts parts, std::unique_ptr<store::Directory> directory,
                         base::Bytes secret, base::Bytes receipts_secret)
    : parts_(parts),
      directory_(std::move(directory)),
      audit_log_(DataFolder(parts.options.data_folder).audit_log()),
      authorizer_(*directory_, parts.store.registry(), parts.guard,
                  [this](const std::string& address, std::string_view why, bool waits) {
                    audit("denied", {{"address", address}, {"why", std::string(why)}}, false);
                    if (waits) audit("kept_out", {{"address", address}}, false);
                  }),
      push_(authorizer_, *directory_, parts.desk, by_device_, parts.options.limits),
      receipts_(parts.timers, {.store = parts.store,
                               .messages_secret = secret,
                               .secret = std::move(receipts_secret),
                               .public_url = parts.options.public_url}),
      web_push_({.directory = *directory_,
                 .store = parts.store,
                 .desk = parts.desk,
                 .secret = std::move(secret),
                 .receipts = receipts_,
                 .by_device = by_device_,
                 .public_url = parts.options.public_url,
                 .vapid_required = parts.options.vapid_required},
                parts.options.limits),
      devices_({.authorizer = authorizer_,
                .directory = *directory_,
                .store = parts.store,
                .audit = [this](std::string_view event,
                                const AuditLog::Fields& fields) { audit(event, fields, false); },
                .public_url = parts.options.public_url}),
      reports_(authorizer_, parts.store),
      ops_(authorizer_, parts.store, metrics_, [this] { return stats(); }),
      front_(parts.loop, parts.timers, parts.options.limits, wire::kPushBatchBytesMax,
             [this](const HttpRequest& request, const HttpFront::Respond& respond) {
               handle(request, respond, false);
             }),
      operators_(parts.loop, parts.timers, parts.options.limits, 0,
                 [this](const HttpRequest& request, const HttpFront::Respond& respond) {
                   handle(request, respond, true);
                 }),
      started_(io::now()) {
  by_device_.set_pushes(parts.options.limits.device_rate);
  add_gauges();
}

void HttpService::set_limits(const Limits& limits) {
  by_device_.set_pushes(limits.device_rate);
  front_.set_limits(limits);
  operators_.set_limits(limits);
  push_.set_limits(limits);
  web_push_.set_limits(limits);
}

void HttpService::stop(std::function<void()> on_idle) {
  parts_.desk.set_on_waiting(nullptr);
  receipts_.stop();
  last_resort_.reset();  // what it did not send is read from the store by the next start
  operators_.stop([this, on_idle = std::move(on_idle)] { front_.stop(on_idle); });
}

void HttpService::on_denied(const DeniedLogin& login) {
  audit("denied",
        {{"address", login.address},
         {"device", login.device},
         {"why", "this device is unknown, or its token is another"}},
        false);
  if (login.waits) audit("kept_out", {{"address", login.address}, {"device", login.device}}, false);
}

/// Denials are not synced: somebody who guesses must not keep the disk busy.
void HttpService::audit(std::string_view event, const AuditLog::Fields& fields, bool sync) {
  if (const auto written = audit_log_.write(io::wall_now(), event, fields, sync); !written)
    base::log(base::LogLevel::kError, "audit", "{}", base::to_string(written.error()));
}

HttpFront::Respond HttpService::counted(const HttpRequest& request, std::string_view route,
                                        const HttpFront::Respond& respond) {
  return [this, start = io::now(), route = std::string(route), respond,
          line = request.method](HttpResponse response) {
    metrics_
        .counter("wakeline_http_requests_total", "HTTP requests answered",
                 {{"path", route}, {"code", std::to_string(response.status)}})
        .add();
    metrics_
        .histogram("wakeline_http_request_seconds", "Time from a request to its answer",
                   {{"path", route}})
        .observe(io::now() - start);
    respond(std::move(response));
  };
}

void HttpService::begin_turn() {
  if (std::exchange(in_turn_, true)) return;
  parts_.loop.post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) end_turn();
  });
}

void HttpService::end_turn() {
  in_turn_ = false;
  authorizer_.forget();
  parts_.desk.flush();
}

void HttpService::handle(const HttpRequest& request, const HttpFront::Respond& respond,
                         bool trusted) {
  begin_turn();
  const std::string_view path = request.path();
  const std::string_view route = route_of(path);
  const HttpFront::Respond answer = counted(request, route, respond);
  if (ops_.handle(request, answer, trusted)) return;
  if (!trusted) {
    if (route == "/v1/push") return push_.handle(request, answer);
    if (route == kWebPushPath || route == kUnifiedPushPath)
      return web_push_.handle(request, answer);
    if (route == kMessagePath) return web_push_.handle_message(request, answer);
    if (route == kReceiptsPath) return receipts_.handle(request, answer);
    if (route.starts_with("/v1/subscriptions"))
      return devices_.handle_subscriptions(request, answer);
    if (route == "/v1/fallback") return devices_.handle_fallback(request, answer);
    if (route == "/v1/reports") return reports_.handle(request, answer);
    if (route == "/.well-known/unifiedpush") {
      if (request.method != "GET" && request.method != "HEAD")
        return answer(method_reply("GET, HEAD"));
      return answer(json_reply(200, R"({"unifiedpush":{"version":1}})"));
    }
  }
  answer(failure_reply(404, base::ErrorCode::kNotFound, "there is nothing at this path"));
}

OpsApi::Stats HttpService::stats() {
  const base::Instant now = io::now();
  if (counted_at_ == base::Instant{} || now - counted_at_ >= kTotalsAge) {
    const std::uint64_t recent = parts_.store.recent();
    if (const auto totals = directory_->totals())
      totals_ = {.devices = totals->devices, .waiting = totals->waiting + recent};
    else
      base::log(base::LogLevel::kError, "http", "{}", base::to_string(totals.error()));
    counted_at_ = now;
  }
  return {.devices = totals_.devices,
          .waiting = totals_.waiting,
          .connections = parts_.devices.connections(),
          .http_connections = front_.connections(),
          .accepted = parts_.desk.accepted(),
          .delivered = parts_.store.acknowledged(),
          .up = now - started_};
}

void HttpService::add_gauges() {
  const auto gauge = [this](const char* name, const char* help, auto member) {
    metrics_.gauge(name, help, [this, member] { return static_cast<double>(stats().*member); });
  };
  gauge("wakeline_devices", "Devices that are registered", &OpsApi::Stats::devices);
  gauge("wakeline_pushes_waiting", "Pushes that their device has not acknowledged",
        &OpsApi::Stats::waiting);
  gauge("wakeline_device_connections", "Connections of devices", &OpsApi::Stats::connections);
  gauge("wakeline_http_connections", "Connections of app servers",
        &OpsApi::Stats::http_connections);
  metrics_.gauge("wakeline_store_full", "1: pushes are refused, as the disk has no space left",
                 [this] { return parts_.store.full() ? 1.0 : 0.0; });
  metrics_.total("wakeline_pushes_accepted_total", "Pushes taken in",
                 [this] { return static_cast<double>(parts_.desk.accepted()); });
  metrics_.total("wakeline_pushes_delivered_total", "Pushes that their device has acknowledged",
                 [this] { return static_cast<double>(parts_.store.acknowledged()); });
  metrics_.total("wakeline_wrong_tokens_total", "Wrong tokens, by MQTT and HTTP",
                 [this] { return static_cast<double>(parts_.guard.wrong()); });
  metrics_.total("wakeline_logins_kept_out_total",
                 "Logins that were not looked at, after too many wrong tokens",
                 [this] { return static_cast<double>(parts_.guard.kept_out()); });
  metrics_.gauge("wakeline_start_time_seconds", "When the server started, since 1970",
                 [at = std::chrono::duration<double>(io::wall_now().time_since_epoch()).count()] {
                   return at;
                 });
}

}  // namespace wakeline::server
