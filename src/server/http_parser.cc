// SPDX-License-Identifier: Apache-2.0
#include "server/http_parser.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <ctime>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace wakeline::server {

namespace http = boost::beast::http;

struct HttpParser::State {
  http::request_parser<http::string_body> parser;
  bool continued = false;
};

namespace {

unsigned status_of(boost::beast::error_code error) {
  if (error == http::error::body_limit) return 413;
  if (error == http::error::header_limit) return 431;
  if (error == http::error::bad_version) return 505;
  return 400;
}

}  // namespace

HttpParser::HttpParser(std::size_t body_max) : body_max_(body_max) {}
HttpParser::~HttpParser() = default;

bool HttpParser::begun() const { return state_ != nullptr; }

HttpParser::Progress HttpParser::feed(base::BytesView bytes) {
  if (!state_) {
    if (bytes.empty()) return {};
    state_ = std::make_unique<State>();
    state_->parser.header_limit(static_cast<std::uint32_t>(kHttpHeaderMax));
    state_->parser.body_limit(body_max_);
    state_->parser.eager(true);
  }
  auto& parser = state_->parser;
  boost::beast::error_code error;
  Progress progress;
  progress.consumed = parser.put(boost::asio::buffer(bytes.data(), bytes.size()), error);
  if (error && error != http::error::need_more) {
    progress.refused = status_of(error);
    return progress;
  }
  progress.complete = parser.is_done();
  if (parser.is_header_done() && !progress.complete && !state_->continued) {
    state_->continued = true;
    progress.wants_continue =
        boost::beast::iequals(parser.get()[http::field::expect], "100-continue");
  }
  return progress;
}

HttpRequest HttpParser::take() {
  const auto message = state_->parser.release();
  state_.reset();
  HttpRequest request{.method = std::string(message.method_string()),
                      .target = std::string(message.target()),
                      .body = message.body(),
                      .keep_alive = message.keep_alive()};
  for (const std::string_view name : kHttpFields) {
    const auto found = message.find(boost::string_view(name.data(), name.size()));
    if (found != message.end()) request.fields.emplace_back(name, std::string(found->value()));
  }
  return request;
}

std::string to_bytes(const HttpResponse& response, base::WallTime now, bool keep_alive, bool head) {
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
  const auto reason = http::obsolete_reason(static_cast<http::status>(response.status));
  std::string bytes =
      fmt::format("HTTP/1.1 {} {}\r\nDate: {:%a, %d %b %Y %H:%M:%S} GMT\r\n", response.status,
                  std::string_view(reason.data(), reason.size()), fmt::gmtime(seconds));
  if (!response.content_type.empty())
    bytes += fmt::format("Content-Type: {}\r\n", response.content_type);
  for (const auto& [name, value] : response.headers)
    bytes += fmt::format("{}: {}\r\n", name, value);
  bytes += fmt::format("Content-Length: {}\r\nConnection: {}\r\n\r\n", response.body.size(),
                       keep_alive ? "keep-alive" : "close");
  if (!head) bytes += response.body;
  return bytes;
}

}  // namespace wakeline::server
