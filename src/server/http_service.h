// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>

#include "server/audit_log.h"
#include "server/device_api.h"
#include "server/http_front.h"
#include "server/last_resort.h"
#include "server/metrics.h"
#include "server/mqtt_front.h"
#include "server/ops_api.h"
#include "server/push_api.h"
#include "server/push_desk.h"
#include "server/receipts_api.h"
#include "server/reports_api.h"
#include "server/web_push_api.h"

namespace wakeline::server {

/// Everything that is served over HTTP: the connections, and which part answers which path.
class HttpService {
 public:
  struct Parts {
    io::Loop& loop;
    TimerQueue& timers;
    store::Store& store;
    MqttFront& devices;
    PushDesk& desk;
    LoginGuard& guard;
    ApnsSigner& apns;
    const ServerOptions& options;
  };
  /// Errors: those of store::Directory::open.
  static base::Result<std::unique_ptr<HttpService>> create(Parts parts);
  HttpService(const HttpService&) = delete;
  HttpService& operator=(const HttpService&) = delete;

  /// A connection of an app server; `tls` null: plain.
  void accept(io::UniqueFd socket, std::shared_ptr<io::TlsContext> tls) {
    front_.accept(std::move(socket), std::move(tls));
  }
  /// A connection of an operator's own program, which needs no token.
  void accept_operator(io::UniqueFd socket) { operators_.accept(std::move(socket), nullptr); }
  /// See HttpFront.
  void stop(std::function<void()> on_idle);
  /// Another process changed the store.
  void look_again() { receipts_.on_receipts(); }
  /// A device gave a wrong token by MQTT.
  void on_denied(const DeniedLogin& login);
  Metrics& metrics() { return metrics_; }
  void set_limits(const Limits& limits);

 private:
  HttpService(Parts parts, std::unique_ptr<store::Directory> directory, base::Bytes secret,
              base::Bytes receipts_secret);
  void handle(const HttpRequest& request, const HttpFront::Respond& respond, bool trusted);
  /// Requests of one turn of the loop share what a turn needs once.
  void begin_turn();
  void end_turn();
  /// Counts and times the answer.
  HttpFront::Respond counted(const HttpRequest& request, std::string_view route,
                             const HttpFront::Respond& respond);
  void audit(std::string_view event, const AuditLog::Fields& fields, bool sync);
  void add_gauges();
  void add_last_resort();
  OpsApi::Stats stats();

  Parts parts_;
  std::unique_ptr<store::Directory> directory_;
  Metrics metrics_;
  AuditLog audit_log_;
  Authorizer authorizer_;
  RateLimiter by_device_{0, 0};  ///< a device may have many endpoints, beside the pushes by name
  PushApi push_;
  ReceiptsApi receipts_;
  WebPushApi web_push_;
  DeviceApi devices_;
  ReportsApi reports_;
  OpsApi ops_;
  HttpFront front_;
  HttpFront operators_;
  std::unique_ptr<LastResort> last_resort_;
  bool in_turn_ = false;
  base::Instant started_;
  base::Instant counted_at_{};         ///< when `totals_` was read
  store::Directory::Totals totals_{};  ///< of the store
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace wakeline::server
