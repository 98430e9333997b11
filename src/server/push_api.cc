// SPDX-License-Identifier: Apache-2.0
#include "server/push_api.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include <boost/json.hpp>

#include "base/log.h"
#include "server/tokens.h"
#include "wire/push.h"

namespace wakeline::server {

using base::ErrorCode;

namespace {

constexpr std::string_view kJson = "application/json";
/// What a sender is asked to wait, in seconds: for the disk, and for a device that does not come.
constexpr const char* kRetrySoon = "1";
constexpr const char* kRetryLater = "60";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

/// Whether the media type is JSON, whatever its parameters (RFC 9110 §8.3).
bool is_json(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  return same_word(type, kJson);
}

/// The token of "Bearer TOKEN" (RFC 6750 §2.1).
std::optional<std::string_view> bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() <= kScheme.size() ||
      !same_word(authorization.substr(0, kScheme.size()), kScheme))
    return std::nullopt;
  return authorization.substr(kScheme.size());
}

HttpResponse failure(unsigned status, ErrorCode code, std::string_view message,
                     std::string_view field = {}) {
  boost::json::object body{{"error", base::name(code)}};
  if (!field.empty()) body["field"] = field;
  body["message"] = message;
  return {.status = status,
          .content_type = std::string(kJson),
          .body = boost::json::serialize(body) + "\n",
          .headers = {}};
}

HttpResponse with(HttpResponse response, std::string name, std::string value) {
  response.headers.emplace_back(std::move(name), std::move(value));
  return response;
}

HttpResponse unavailable(base::Error error) {
  return with(failure(503, error.code, "the push could not be stored"), "Retry-After", kRetryLater);
}

HttpResponse store_failure(base::Error error) {
  switch (error.code) {
    case ErrorCode::kNotFound:
      return failure(404, error.code, "there is no device of this name", "device");
    case ErrorCode::kBusy:
      return with(failure(429, error.code, "too many pushes wait for this device", "device"),
                  "Retry-After", kRetryLater);
    case ErrorCode::kStorageFull:
      return failure(507, error.code, base::describe(error.code));
    default:
      return unavailable(error);
  }
}

HttpResponse accepted(const std::string& device, store::Sequence sequence) {
  const boost::json::object body{{"device", device}, {"sequence", sequence}};
  return {.status = 201,
          .content_type = std::string(kJson),
          .body = boost::json::serialize(body) + "\n",
          .headers = {}};
}

}  // namespace

void PushApi::handle(const HttpRequest& request, const HttpFront::Respond& respond) {
  const std::string_view path =
      std::string_view(request.target).substr(0, request.target.find('?'));
  if (path == "/healthz") {
    if (request.method != "GET" && request.method != "HEAD")
      return respond(with(failure(405, ErrorCode::kUnsupported, "GET only"), "Allow", "GET, HEAD"));
    return respond({.status = 200, .content_type = "text/plain", .body = "ok\n", .headers = {}});
  }
  if (path == "/v1/push") {
    if (request.method != "POST")
      return respond(with(failure(405, ErrorCode::kUnsupported, "POST only"), "Allow", "POST"));
    return push(request, respond);
  }
  respond(failure(404, ErrorCode::kNotFound, "there is nothing at this path"));
}

base::Result<bool> PushApi::authorized(const HttpRequest& request) {
  const auto token = bearer_token(request.authorization);
  if (!token) return false;
  // The look-up is by the hash, of which a guesser knows nothing beforehand: its time tells nothing
  // of the tokens.
  const auto sender = senders_.find_sender(hash_token(base::as_bytes(*token)));
  if (!sender) return base::fail(sender.error());
  return sender->has_value();
}

void PushApi::push(const HttpRequest& request, const HttpFront::Respond& respond) {
  const auto allowed = authorized(request);
  if (!allowed) {
    base::log(base::LogLevel::kError, "http", "{}", base::to_string(allowed.error()));
    return respond(unavailable(allowed.error()));
  }
  if (!*allowed) {
    return respond(
        with(failure(401, ErrorCode::kUnauthorized, "a bearer token of an app server is needed"),
             "WWW-Authenticate", "Bearer"));
  }
  if (!is_json(request.content_type))
    return respond(failure(415, ErrorCode::kUnsupported, "the body must be application/json"));
  const auto push = wire::parse_push_request(request.body);
  if (!push) {
    const unsigned status = push.error().code == ErrorCode::kTooLarge ? 413 : 400;
    return respond(failure(status, push.error().code, push.error().message, push.error().field));
  }
  auto body = wire::encode(push->content);
  if (!body) return respond(failure(400, body.error().code, "the text cannot be sent"));
  PushOrder order{.device = push->device,
                  .body = std::move(*body),
                  .ttl_s = push->ttl_s,
                  .urgency = push->urgency,
                  .topic = push->topic,
                  .idempotency_key = push->idempotency_key};
  const auto taken = desk_.accept(
      std::move(order), [device = push->device, respond](base::Result<store::Accepted> result) {
        if (!result) {
          const bool its_own = result.error().code == ErrorCode::kNotFound ||
                               result.error().code == ErrorCode::kBusy;
          base::log(its_own ? base::LogLevel::kInfo : base::LogLevel::kError, "http",
                    "push to {}: {}", device, base::to_string(result.error()));
        }
        respond(result ? accepted(device, result->sequence) : store_failure(result.error()));
      });
  if (!taken) {
    respond(with(failure(503, taken.error().code, "too many pushes wait for the disk"),
                 "Retry-After", kRetrySoon));
  }
}

}  // namespace wakeline::server
