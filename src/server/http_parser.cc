// SPDX-License-Identifier: Apache-2.0
#include "server/http_parser.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "server/http_reply.h"

namespace wakeline::server {

namespace http = boost::beast::http;

using Parser = http::request_parser<http::string_body>;
using Header = Parser::value_type;

struct HttpParser::State {
  Parser parser;
  HttpRequest request{};  ///< without its body, once the header is there
  bool has_header = false;
  bool continued = false;

  /// Goes on with `bytes`. Returns: how many are done with.
  std::size_t put(base::BytesView bytes, boost::beast::error_code& error) {
    const std::size_t used = parser.put(boost::asio::buffer(bytes.data(), bytes.size()), error);
    if (error == http::error::need_more) error = {};
    return used;
  }
  /// The header is there. Returns: the status to refuse it with; 0: fine.
  unsigned take_header();
};

namespace {

unsigned status_of(boost::beast::error_code error) {
  if (error == http::error::body_limit) return 413;
  if (error == http::error::header_limit) return 431;
  if (error == http::error::bad_version) return 505;
  return 400;
}

/// Where the body ends must be beyond doubt, or what one takes for the body another takes for the
/// next request. Returns: the status to refuse with; 0: fine. Source: RFC 9112 §6.1, §6.3.
unsigned refused_framing(const Parser& parser) {
  const Header& header = parser.get();
  const auto coding = header.find(http::field::transfer_encoding);
  if (coding == header.end()) return 0;
  // Beast takes a body whose last coding is another for none at all.
  if (header.version() < 11 || !parser.chunked()) return 400;
  const bool alone = header.count(http::field::transfer_encoding) == 1 &&
                     boost::beast::iequals(coding->value(), "chunked");
  return alone ? 0 : 501;
}

/// Whether a text may stand where a URL has its host and port. Source: RFC 3986 §3.2.2.
bool is_host(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~!$&'()*+,;=%:[]").find(c) != std::string_view::npos;
  });
}

/// One host at the most, and HTTP/1.1 names one: addresses that we give out begin with it.
/// Source: RFC 9112 §3.2.
bool has_good_host(const Header& header) {
  const auto host = header.find(http::field::host);
  if (host == header.end()) return header.version() < 11;
  const auto value = host->value();
  return header.count(http::field::host) == 1 &&
         is_host(std::string_view(value.data(), value.size()));
}

/// "http://host/path", as a client writes it that takes us for a proxy: that host is the one that
/// counts. Returns: false when it is none. Source: RFC 9112 §3.2.2.
bool take_absolute_form(HttpRequest& request) {
  if (request.target.starts_with('/')) return true;
  const std::size_t colon = request.target.find("://");
  if (colon == std::string::npos) return true;
  const std::string_view scheme = std::string_view(request.target).substr(0, colon);
  if (!same_word(scheme, "http") && !same_word(scheme, "https")) return true;
  std::string host = request.target.substr(colon + 3);
  const std::size_t end = std::min(host.find_first_of("/?"), host.size());
  request.target = host.substr(end);
  if (!request.target.starts_with('/')) request.target.insert(0, 1, '/');
  host.resize(end);
  if (!is_host(host)) return false;
  std::erase_if(request.fields, [](const auto& field) { return field.first == "host"; });
  request.fields.emplace_back("host", std::move(host));
  return true;
}

/// Fields whose lines make one list. The others stand once; of several the first counts.
bool is_list(std::string_view name) { return name == "content-encoding" || name == "prefer"; }

/// All but the body. What comes behind a chunked body is not the header's: it is dropped.
HttpRequest read_header(const Header& header) {
  HttpRequest request{.method = std::string(header.method_string()),
                      .target = std::string(header.target()),
                      .keep_alive = header.keep_alive()};
  for (const std::string_view name : kHttpFields) {
    auto [line, end] = header.equal_range(boost::string_view(name.data(), name.size()));
    if (line == end) continue;
    std::string& value = request.fields.emplace_back(name, std::string(line->value())).second;
    if (!is_list(name)) continue;
    while (++line != end) value.append(", ").append(line->value().data(), line->value().size());
  }
  return request;
}

}  // namespace

unsigned HttpParser::State::take_header() {
  if (const unsigned status = refused_framing(parser)) return status;
  if (!has_good_host(parser.get())) return 400;
  request = read_header(parser.get());
  if (!take_absolute_form(request)) return 400;
  has_header = true;
  parser.eager(true);
  return 0;
}

HttpParser::HttpParser(std::size_t body_max) : body_max_(body_max) {}
HttpParser::~HttpParser() = default;

bool HttpParser::begun() const { return state_ != nullptr; }

HttpParser::Progress HttpParser::feed(base::BytesView bytes) {
  Progress progress;
  const std::size_t size = bytes.size();
  if (!state_) {
    // Some clients end a body with a line of its own (RFC 9112 §2.2).
    while (base::as_text(bytes.subspan(progress.consumed)).starts_with("\r\n"))
      progress.consumed += 2;
    bytes = bytes.subspan(progress.consumed);
    if (bytes.empty() || base::as_text(bytes) == "\r") return progress;
    state_ = std::make_unique<State>();
    state_->parser.header_limit(static_cast<std::uint32_t>(kHttpHeaderMax));
    state_->parser.body_limit(body_max_);
  }
  auto& parser = state_->parser;
  boost::beast::error_code error;
  if (!state_->has_header) {
    const std::size_t used = state_->put(bytes, error);
    progress.consumed += used;
    if (error) return {.refused = status_of(error)};
    if (!parser.is_header_done()) return progress;
    if (const unsigned status = state_->take_header()) return {.refused = status};
    bytes = bytes.subspan(used);
  }
  if (!parser.is_done() && !bytes.empty()) progress.consumed += state_->put(bytes, error);
  if (error) return {.refused = status_of(error)};
  progress.complete = parser.is_done();
  // The line before a chunk, and what may come behind the last.
  if (!progress.complete && size - progress.consumed > kHttpHeaderMax) return {.refused = 431};
  if (!progress.complete && !std::exchange(state_->continued, true)) {
    progress.wants_continue =
        boost::beast::iequals(parser.get()[http::field::expect], "100-continue");
  }
  return progress;
}

HttpRequest HttpParser::take() {
  HttpRequest request = std::move(state_->request);
  request.body = std::move(state_->parser.get().body());
  state_.reset();
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
  // 204 has no body, and so no length of one (RFC 9110 §8.6).
  if (response.status != 204) bytes += fmt::format("Content-Length: {}\r\n", response.body.size());
  bytes += fmt::format("Connection: {}\r\n\r\n", keep_alive ? "keep-alive" : "close");
  if (!head) bytes += response.body;
  return bytes;
}

}  // namespace wakeline::server
