// SPDX-License-Identifier: Apache-2.0
#include "server/http_reply.h"

#include <algorithm>
#include <chrono>

#include <boost/json.hpp>

#include "base/log.h"

namespace wakeline::server {

using base::ErrorCode;

namespace {

/// What a sender is asked to wait: for a disk that failed, and for a device that does not come.
constexpr base::Duration kRetryLater = std::chrono::seconds(60);

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

bool same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string lower_case(std::string_view text) {
  std::string lowered(text);
  std::ranges::transform(lowered, lowered.begin(), lower);
  return lowered;
}

bool is_json(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  return same_word(type, kJson);
}

HttpResponse json_reply(unsigned status, std::string body) {
  body += '\n';
  return {.status = status, .content_type = std::string(kJson), .body = std::move(body)};
}

HttpResponse failure_reply(unsigned status, ErrorCode code, std::string_view message,
                           std::string_view field) {
  boost::json::object body{{"error", base::name(code)}};
  if (!field.empty()) body["field"] = field;
  body["message"] = message;
  return json_reply(status, boost::json::serialize(body));
}

HttpResponse wrong_field_reply(std::string_view field, std::string_view message) {
  return failure_reply(400, ErrorCode::kMalformed, message, field);
}

HttpResponse with(HttpResponse response, std::string name, std::string value) {
  response.headers.emplace_back(std::move(name), std::move(value));
  return response;
}

HttpResponse retry_after(HttpResponse response, base::Duration wait) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
  return with(std::move(response), "Retry-After",
              std::to_string(std::max<std::int64_t>(1, seconds)));
}

HttpResponse method_reply(std::string_view allow) {
  return with(failure_reply(405, ErrorCode::kUnsupported, std::string(allow) + " only"), "Allow",
              std::string(allow));
}

HttpResponse to_reply(const Refusal& refusal) {
  HttpResponse reply = failure_reply(refusal.status, refusal.code, refusal.message, refusal.field);
  if (refusal.wait == base::Duration::zero()) return reply;
  return retry_after(std::move(reply), refusal.wait);
}

Refusal store_refusal(base::Error error) {
  switch (error.code) {
    case ErrorCode::kNotFound:
      return {404, error.code, "there is no device of this name", "device"};
    case ErrorCode::kBusy:
      return {429, error.code, "too many pushes wait for this device", "device", kRetryLater};
    case ErrorCode::kAlreadyExists:
      return {422, error.code, "this key was used for another push", "idempotency_key"};
    case ErrorCode::kStorageFull:
      return {507, error.code, std::string(base::describe(error.code))};
    default:
      return {503, error.code, "the push could not be stored", {}, kRetryLater};
  }
}

HttpResponse unavailable_reply(base::Error error) {
  return to_reply({503, error.code, "the store failed", {}, kRetryLater});
}

HttpResponse logged_unavailable_reply(base::Error error) {
  base::log(base::LogLevel::kError, "http", "{}", base::to_string(error));
  return unavailable_reply(error);
}

}  // namespace wakeline::server
