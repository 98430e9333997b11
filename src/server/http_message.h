// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wakeline::server {

/// What the API looks at in a request.
struct HttpRequest {
  std::string method{};
  std::string target{};
  /// Of those that `kHttpFields` names; the names in lower case, each once.
  std::vector<std::pair<std::string_view, std::string>> fields{};
  std::string body{};
  bool keep_alive = false;  ///< the client takes another answer on this connection
  bool tls = false;
  std::string peer{};  ///< the client's address, without the port

  /// Empty where none came.
  std::string_view field(std::string_view name) const {
    for (const auto& [its_name, value] : fields) {
      if (its_name == name) return value;
    }
    return {};
  }
  bool has(std::string_view name) const {
    for (const auto& [its_name, value] : fields) {
      if (its_name == name) return true;
    }
    return false;
  }
  /// The target without its query.
  std::string_view path() const { return std::string_view(target).substr(0, target.find('?')); }
};

/// The header fields that are kept of a request.
inline constexpr std::string_view kHttpFields[] = {
    "authorization", "content-encoding", "content-type", "host", "idempotency-key",
    "prefer",        "push-receipt",     "topic",        "ttl",  "urgency"};

struct HttpResponse {
  unsigned status = 200;
  std::string content_type{};
  std::string body{};
  std::vector<std::pair<std::string, std::string>> headers{};  ///< further ones
};

}  // namespace wakeline::server
