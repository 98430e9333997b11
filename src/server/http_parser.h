// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/time.h"
#include "server/http_message.h"

namespace wakeline::server {

/// The largest header that is read, in bytes.
inline constexpr std::size_t kHttpHeaderMax = 8'192;

/// Reads HTTP/1.0 and 1.1 requests out of bytes (Boost.Beast without its IO), one at a time.
class HttpParser {
 public:
  struct Progress {
    std::size_t consumed = 0;     ///< bytes that are done with; the rest is to be given again
    bool complete = false;        ///< `take` has the request
    bool wants_continue = false;  ///< once: the client waits for "100 Continue"
    unsigned refused = 0;         ///< the status to answer before closing; 0: none
  };

  explicit HttpParser(std::size_t body_max);
  ~HttpParser();

  Progress feed(base::BytesView bytes);
  /// The complete request; the next one starts.
  HttpRequest take();
  /// Whether a request has begun.
  bool begun() const;

 private:
  struct State;
  std::unique_ptr<State> state_;  ///< null between two requests: an idle connection holds none
  std::size_t body_max_;
};

/// The bytes of a response. `head`: of a HEAD request, without the body. Source: RFC 9112.
std::string to_bytes(const HttpResponse& response, base::WallTime now, bool keep_alive, bool head);

}  // namespace wakeline::server
