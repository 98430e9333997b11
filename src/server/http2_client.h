// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "io/loop.h"

namespace wakeline::server {

/// "https://host:port" of a URL. The rest of one may be a secret: an endpoint's path is the
/// permission to push, and the vendor's has the token of a device. Empty when it is no URL.
std::string origin_of_url(std::string_view url);
/// "host:port", in lower case, where Http2Client sends what goes to that URL. Empty where it sends
/// nothing there: no URL, no host, or not https.
std::string authority_of_url(const std::string& url);

/// Requests to other servers over HTTP/2 (libcurl), many on one connection, without a thread.
class Http2Client {
 public:
  struct Request {
    std::string url{};
    std::vector<std::string> headers{};  ///< "apns-topic: org.example"
    std::string body{};
  };
  struct Answer {
    unsigned status = 0;
    std::string body{};            ///< at most kAnswerMax bytes of it
    base::Duration retry_after{};  ///< of the header field, in seconds; zero: none
  };
  /// Errors: kTimeout, kTls, kUnreachable, kClosed (also a connection that the other side is giving
  ///         up: a GOAWAY). All of them may be tried again but kTls.
  using OnDone = std::function<void(base::Result<Answer>)>;

  static constexpr std::size_t kAnswerMax = 4'096;

  /// `ca_file` empty: the system's trust store.
  static std::unique_ptr<Http2Client> create(io::Loop& loop, std::string ca_file);
  /// Ends what is under way; nobody is called back.
  virtual ~Http2Client() = default;

  /// A POST; `done` is called later, on the loop's thread, within `timeout`.
  virtual void post(Request request, base::Duration timeout, OnDone done) = 0;
};

}  // namespace wakeline::server
