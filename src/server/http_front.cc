// SPDX-License-Identifier: Apache-2.0
#include "server/http_front.h"

#include <utility>
#include <vector>

#include "base/log.h"
#include "io/clock.h"

namespace wakeline::server {

using base::LogLevel;

namespace {

/// Bytes of pipelined requests that wait for an answer before them; more closes the connection.
constexpr std::size_t kInputMax = 262'144;

base::Bytes bytes_of(std::string_view text) {
  const base::BytesView view = base::as_bytes(text);
  return {view.begin(), view.end()};
}

}  // namespace

struct HttpFront::Connection : Timed {
  Connection(TimerQueue& queue, HttpFront& owner, ConnectionId number)
      : Timed(queue), front(owner), id(number), parser(owner.body_max_) {}
  ~Connection() override = default;

  base::Instant next_deadline() const override { return deadline; }
  void on_deadline(base::Instant) override {
    // In the middle of a request its sender is told; one that is only idle is not.
    if (parser.begun())
      front.refuse(*this, 408);
    else
      front.close(id);
  }

  HttpFront& front;
  ConnectionId id;
  std::unique_ptr<io::Stream> stream;
  HttpParser parser;
  base::Bytes input;
  base::Instant deadline = base::kNever;
  bool answering = false;   ///< a request is with the handler
  bool keep_alive = false;  ///< of that request
  bool head = false;        ///< of that request
  bool reading = false;     ///< read_requests is at work
};

HttpFront::HttpFront(io::Loop& loop, TimerQueue& timers, const Limits& limits, std::size_t body_max,
                     Handler handler)
    : loop_(loop),
      timers_(timers),
      limits_(limits),
      body_max_(body_max),
      handler_(std::move(handler)) {}

HttpFront::~HttpFront() = default;

HttpFront::Connection* HttpFront::find(ConnectionId id) {
  const auto it = connections_.find(id);
  return it == connections_.end() ? nullptr : it->second.get();
}

void HttpFront::accept(boost::asio::ip::tcp::socket socket, std::shared_ptr<io::TlsContext> tls) {
  if (connections_.size() >= limits_.http_connections_max) return;  // the socket closes
  const ConnectionId id = ++last_id_;
  auto connection = std::make_unique<Connection>(timers_, *this, id);
  connection->stream = io::accept_stream(loop_, std::move(socket), std::move(tls));
  connection->deadline = io::now() + limits_.request_timeout;
  Connection& made = *connections_.emplace(id, std::move(connection)).first->second;
  timers_.update(made);
  made.stream->start([this, id](base::BytesView bytes) { on_bytes(id, bytes); },
                     [this, id](base::Error error) {
                       base::log(LogLevel::kDebug, "http", "{}", base::to_string(error));
                       remove(id);
                     });
}

void HttpFront::on_bytes(ConnectionId id, base::BytesView bytes) {
  Connection* connection = find(id);
  if (connection == nullptr) return;
  if (connection->input.size() + bytes.size() > kInputMax) return close(id);
  connection->input.insert(connection->input.end(), bytes.begin(), bytes.end());
  read_requests(id);
}

/// Reads requests until one is under way or the bytes are used up.
void HttpFront::read_requests(ConnectionId id) {
  Connection* connection = find(id);
  if (connection == nullptr || connection->reading) return;
  connection->reading = true;
  while (connection != nullptr && !connection->answering) {
    const bool begun = connection->parser.begun();
    const auto progress = connection->parser.feed(connection->input);
    connection->input.erase(
        connection->input.begin(),
        connection->input.begin() + static_cast<std::ptrdiff_t>(progress.consumed));
    if (progress.refused != 0) return refuse(*connection, progress.refused);
    if (!begun && connection->parser.begun()) {
      connection->deadline = io::now() + limits_.request_timeout;
      timers_.update(*connection);
    }
    if (progress.wants_continue)
      connection->stream->write(bytes_of("HTTP/1.1 100 Continue\r\n\r\n"));
    if (!progress.complete) break;
    HttpRequest request = connection->parser.take();
    connection->answering = true;
    connection->keep_alive = request.keep_alive;
    connection->head = request.method == "HEAD";
    connection->deadline = base::kNever;
    handler_(std::move(request),
             [this, id](const HttpResponse& response) { respond(id, response); });
    connection = find(id);
  }
  if (connection == nullptr) return;
  if (connection->input.empty()) connection->input = {};
  connection->reading = false;
}

void HttpFront::respond(ConnectionId id, const HttpResponse& response) {
  Connection* connection = find(id);
  if (connection == nullptr) return;  // its sender went away; the push is accepted all the same
  const bool more = connection->keep_alive && !on_idle_;
  connection->stream->write(bytes_of(to_bytes(response, io::wall_now(), more, connection->head)));
  if (!more) return close(id);
  connection->answering = false;
  connection->deadline = io::now() + limits_.idle_timeout;
  timers_.update(*connection);
  read_requests(id);
}

/// Answers bytes that are no request that we take, and closes.
void HttpFront::refuse(Connection& connection, unsigned status) {
  base::log(LogLevel::kInfo, "http", "{}: refused with {}", connection.stream->peer(), status);
  const HttpResponse response{.status = status, .content_type = {}, .body = {}, .headers = {}};
  connection.stream->write(bytes_of(to_bytes(response, io::wall_now(), false, false)));
  close(connection.id);
}

void HttpFront::close(ConnectionId id) {
  if (Connection* connection = find(id)) connection->stream->close();
  remove(id);
}

void HttpFront::remove(ConnectionId id) {
  if (connections_.erase(id) > 0 && on_idle_ && connections_.empty()) on_idle_();
}

void HttpFront::stop(std::function<void()> on_idle) {
  std::vector<ConnectionId> unneeded;
  for (const auto& [id, connection] : connections_) {
    if (!connection->answering) unneeded.push_back(id);
  }
  for (const ConnectionId id : unneeded) close(id);
  on_idle_ = std::move(on_idle);
  if (connections_.empty()) on_idle_();
}

}  // namespace wakeline::server
