// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "server/http_message.h"

/// Answers of the API, all in one form: {"error","field","message"}.
namespace wakeline::server {

inline constexpr std::string_view kJson = "application/json";
/// What a sender is asked to wait when writes queue up before the disk.
inline constexpr base::Duration kRetrySoon = std::chrono::seconds(1);

/// Why a request, or one push of many, is refused.
struct Refusal {
  unsigned status = 400;
  base::ErrorCode code = base::ErrorCode::kMalformed;
  std::string message{};
  std::string field{};    ///< empty: none
  base::Duration wait{};  ///< Retry-After; zero: none
};
HttpResponse to_reply(const Refusal& refusal);

HttpResponse failure_reply(unsigned status, base::ErrorCode code, std::string_view message,
                           std::string_view field = {});
/// 400: what is wrong with that field of the request.
HttpResponse wrong_field_reply(std::string_view field, std::string_view message);
/// 405. `allow`: "GET, HEAD".
HttpResponse method_reply(std::string_view allow);
/// 503 with Retry-After: the store failed.
HttpResponse unavailable_reply(base::Error error);
/// The same, and the error is logged.
HttpResponse logged_unavailable_reply(base::Error error);
/// Why the store refused a push: 404, 422, 429, 503, 507.
Refusal store_refusal(base::Error error);
HttpResponse json_reply(unsigned status, std::string body);
HttpResponse with(HttpResponse response, std::string name, std::string value);
/// Retry-After in whole seconds, at least 1.
HttpResponse retry_after(HttpResponse response, base::Duration wait);

/// Whether two ASCII words are the same but for case.
bool same_word(std::string_view a, std::string_view b);
std::string lower_case(std::string_view text);
/// Whether the media type is JSON, whatever its parameters (RFC 9110 §8.3).
bool is_json(std::string_view content_type);

}  // namespace wakeline::server
