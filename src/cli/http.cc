// SPDX-License-Identifier: Apache-2.0
#include "cli/http.h"

#include <unistd.h>

#include <cerrno>
#include <optional>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

namespace wakeline::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using base::ErrorCode;
using boost::system::error_code;

constexpr std::uint64_t kAnswerMax = 65'536;

/// One request over one connection: each step starts the next, all under one deadline.
class Request {
 public:
  Request(const Url& url, const std::string& method, std::string body, const std::string& token,
          std::chrono::milliseconds timeout)
      : url_(url), timeout_(timeout) {
    request_.method_string(method);
    request_.target(url.target);
    request_.set(http::field::host, url.host + ":" + url.port);
    if (!body.empty()) request_.set(http::field::content_type, "application/json");
    request_.set(http::field::authorization, "Bearer " + token);
    request_.set(http::field::user_agent, "wakeline");
    request_.keep_alive(false);
    request_.body() = std::move(body);
    request_.prepare_payload();
    parser_.body_limit(kAnswerMax);
  }

  base::Result<HttpAnswer> run(asio::ssl::context* tls) {
    asio::ip::tcp::resolver resolver(context_);
    error_code error;
    const auto endpoints = resolver.resolve(url_.host, url_.port, error);
    if (error) return base::fail(ErrorCode::kUnreachable, "lookup");
    if (tls != nullptr) {
      secure_.emplace(context_, *tls);
      secure_->set_verify_mode(asio::ssl::verify_peer);
      secure_->set_verify_callback(asio::ssl::host_name_verification(url_.host));
      SSL_set_tlsext_host_name(secure_->native_handle(), url_.host.c_str());
    } else {
      plain_.emplace(context_);
    }
    lowest().expires_after(timeout_);
    lowest().async_connect(endpoints, [this](error_code e, const auto&) { connected(e); });
    context_.run();
    return std::move(result_);
  }

 private:
  beast::tcp_stream& lowest() { return secure_ ? secure_->next_layer() : *plain_; }

  void connected(error_code error) {
    if (error) return end(error, ErrorCode::kUnreachable, "connect");
    // The server is silent after a TLS handshake: the request would wait for its late ACK (40 ms).
    error_code ignored;
    lowest().socket().set_option(asio::ip::tcp::no_delay(true), ignored);
    if (!secure_) return send(*plain_);
    secure_->async_handshake(asio::ssl::stream_base::client, [this](error_code e) {
      if (e) return end(e, ErrorCode::kTls, "TLS handshake");
      send(*secure_);
    });
  }

  template <class Stream>
  void send(Stream& stream) {
    http::async_write(stream, request_, [this, &stream](error_code e, std::size_t) {
      if (e) return end(e, ErrorCode::kClosed, "send");
      http::async_read(stream, buffer_, parser_, [this](error_code e2, std::size_t) {
        if (e2)
          return end(e2,
                     e2 == http::error::end_of_stream ? ErrorCode::kClosed : ErrorCode::kMalformed,
                     "answer");
        result_ = HttpAnswer{parser_.get().result_int(), parser_.get().body()};
      });
    });
  }

  void end(error_code error, ErrorCode code, const char* where) {
    result_ = base::fail(error == beast::error::timeout ? ErrorCode::kTimeout : code, where,
                         error.category() == boost::system::system_category() ? error.value() : 0);
  }

  const Url& url_;
  std::chrono::milliseconds timeout_;
  asio::io_context context_{1};
  std::optional<beast::tcp_stream> plain_;
  std::optional<beast::ssl_stream<beast::tcp_stream>> secure_;
  http::request<http::string_body> request_;
  beast::flat_buffer buffer_;
  http::response_parser<http::string_body> parser_;
  base::Result<HttpAnswer> result_ = base::fail(ErrorCode::kClosed, "request");
};

}  // namespace

base::Result<Url> parse_url(const std::string& text) {
  Url url;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
    url.tls = false;
  } else {
    return base::fail(ErrorCode::kMalformed, "URL: must start with http:// or https://");
  }
  const std::size_t slash = rest.find('/');
  if (slash != std::string_view::npos) {
    url.target = rest.substr(slash);
    rest = rest.substr(0, slash);
  }
  std::string_view port;
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos)
      return base::fail(ErrorCode::kMalformed, "URL: a bracket is missing");
    url.host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    if (!rest.empty() && rest[0] != ':')
      return base::fail(ErrorCode::kMalformed, "URL: text behind the bracket");
    port = rest.empty() ? rest : rest.substr(1);
  } else {
    const std::size_t colon = rest.find(':');
    url.host = rest.substr(0, colon);
    if (colon != std::string_view::npos) port = rest.substr(colon + 1);
  }
  if (url.host.empty()) return base::fail(ErrorCode::kMalformed, "URL: the host is missing");
  if (port.find_first_not_of("0123456789") != std::string_view::npos || port.size() > 5) {
    return base::fail(ErrorCode::kMalformed, "URL: the port is no number");
  }
  url.port = port.empty() ? (url.tls ? "443" : "80") : std::string(port);
  return url;
}

base::Result<HttpAnswer> send_request(const Url& url, const std::string& method,
                                      const std::string& token, const std::string& ca_file,
                                      const std::string& body, std::chrono::milliseconds timeout) {
  Request request(url, method, body, token, timeout);
  if (!url.tls) return request.run(nullptr);
  asio::ssl::context tls(asio::ssl::context::tls_client);
  error_code error;
  if (ca_file.empty()) {
    tls.set_default_verify_paths(error);
  } else {
    // A file of the user's that is wrong, and not a server that cannot be reached.
    constexpr const char* kTrusted = "the trusted certificates (--ca)";
    if (::access(ca_file.c_str(), R_OK) != 0) return base::fail(base::os_error(kTrusted, errno));
    tls.load_verify_file(ca_file, error);
    if (error) return base::fail(ErrorCode::kMalformed, kTrusted);
  }
  if (error) return base::fail(ErrorCode::kTls, "the system's trusted certificates");
  return request.run(&tls);
}

}  // namespace wakeline::cli
