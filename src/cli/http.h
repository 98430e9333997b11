// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include "base/error.h"

namespace wakeline::cli {

/// "https://127.0.0.1:8443/v1/push" in its parts.
struct Url {
  bool tls = true;
  std::string host;
  std::string port;  ///< a number as text
  std::string target = "/";
};
/// http and https alone; an IPv6 address in brackets. Errors: kMalformed.
base::Result<Url> parse_url(const std::string& text);

struct HttpAnswer {
  unsigned status = 0;
  std::string body;
};

/// One blocking request with a bearer token and a body of JSON, or none. `ca_file` empty: the
/// system's trust store. Errors: kUnreachable, kTls, kTimeout, kClosed, kMalformed (the answer, or
/// `ca_file`), kNotFound and kPermission (`ca_file`).
base::Result<HttpAnswer> send_request(const Url& url, const std::string& method,
                                      const std::string& token, const std::string& ca_file,
                                      const std::string& body,
                                      std::chrono::milliseconds timeout = std::chrono::seconds(10));

}  // namespace wakeline::cli
