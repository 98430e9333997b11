// SPDX-License-Identifier: Apache-2.0
#include "server/reports_api.h"

#include <optional>
#include <utility>

#include <boost/json.hpp>

#include "base/log.h"
#include "server/http_reply.h"
#include "server/json_body.h"
#include "wire/push.h"

namespace wakeline::server {

using base::ErrorCode;
namespace json = boost::json;

namespace {

/// Reports in one answer: at 4,096 bytes of body each, about half a megabyte.
constexpr std::uint64_t kLimitMax = 100;

HttpResponse no_number(std::string_view name) {
  return failure_reply(400, ErrorCode::kMalformed, "must be a whole number within its range", name);
}

json::object to_json(const store::Report& report) {
  json::object entry{
      {"id", report.id},
      {"device", report.device_name},
      {"kind", wire::name(static_cast<wire::ReportKind>(report.kind))},
      {"accepted_ms",
       std::chrono::floor<std::chrono::milliseconds>(report.accepted.time_since_epoch()).count()}};
  if (!report.content_type.empty()) entry["content_type"] = report.content_type;
  if (!report.correlation.empty()) entry["correlation"] = base::to_base64url(report.correlation);
  entry["body"] = base::to_base64url(report.body);
  return entry;
}

}  // namespace

void ReportsApi::handle(const HttpRequest& request, const HttpFront::Respond& respond) {
  const bool get = request.method == "GET" || request.method == "HEAD";
  if (!get && request.method != "DELETE") return respond(method_reply("DELETE, GET, HEAD"));
  const auto sender = authorizer_.sender(request);
  if (!sender) return respond(sender.error());
  if (!(*sender)->scopes.reports()) return respond(forbidden_reply("fetch reports"));
  get ? list(request, respond) : remove(request, respond);
}

void ReportsApi::list(const HttpRequest& request, const HttpFront::Respond& respond) {
  const auto after = query_number(request, "after", 0, kStoredMax);
  if (!after) return respond(no_number("after"));
  const auto limit = query_number(request, "limit", kLimitMax, kLimitMax);
  if (!limit) return respond(no_number("limit"));
  const std::string_view device = query_value(request, "device");
  if (!device.empty() && !wire::is_device_name(device))
    return respond(failure_reply(400, ErrorCode::kMalformed, "is no name of a device", "device"));
  const auto found = store_.reports(*after, device, *limit);
  if (!found) {
    base::log(base::LogLevel::kError, "http", "{}", base::to_string(found.error()));
    return respond(unavailable_reply(found.error()));
  }
  json::array entries;
  for (const store::Report& report : *found) entries.push_back(to_json(report));
  respond(json_reply(200, json::serialize(json::object{{"reports", entries}})));
}

void ReportsApi::remove(const HttpRequest& request, const HttpFront::Respond& respond) {
  const auto through = query_number(request, "through", 0, ~std::uint64_t{0} >> 1);
  if (!through || *through == 0) return respond(no_number("through"));
  const auto queued = store_.remove_reports(*through, [respond](base::Result<void> done) {
    if (!done) return respond(unavailable_reply(done.error()));
    respond({.status = 204});
  });
  if (!queued) respond(unavailable_reply(queued.error()));
}

}  // namespace wakeline::server
