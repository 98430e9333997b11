// SPDX-License-Identifier: Apache-2.0
#include "server/http_front.h"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "base/log.h"
#include "io/clock.h"
#include "server/subscriber.h"

namespace wakeline::server {

using base::LogLevel;

namespace {

/// Bytes of answers that may wait for a client to read them; with more, further ones keep their
/// places, so that nothing more is read of it. Well below what ends a stream.
constexpr std::size_t kUnreadMax = io::kUnsentMax / 4;

base::Bytes bytes_of(std::string_view text) {
  const base::BytesView view = base::as_bytes(text);
  return {view.begin(), view.end()};
}

}  // namespace

struct HttpFront::Connection : Timed {
  /// The place of one answer.
  struct Place {
    bool keep_alive = false;
    bool head = false;
    bool ready = false;
    std::string bytes{};
  };

  Connection(TimerQueue& queue, HttpFront& owner, ConnectionId number)
      : Timed(queue), front(owner), id(number), parser(owner.body_max_) {}
  ~Connection() override = default;

  base::Instant next_deadline() const override { return deadline; }
  void on_deadline(base::Instant) override {
    // In the middle of a request its sender is told; one that is only idle is not.
    if (parser.begun() && !last)
      front.refuse(*this, 408);
    else
      front.close(id);
  }

  bool has_ready() const { return !places.empty() && places.front().ready; }
  /// The client has much to read before it gets more.
  bool is_behind() const { return stream->unsent() > kUnreadMax; }

  HttpFront& front;
  ConnectionId id;
  std::string address{};
  std::string subscriber{};
  bool tls = false;
  std::unique_ptr<io::Stream> stream;
  HttpParser parser;
  base::Bytes input{};
  base::Instant deadline = base::kNever;
  std::deque<Place> places{};     ///< of the answers that are not sent yet, in order
  std::uint64_t first_place = 0;  ///< the number of the first of them
  bool owes_continue = false;     ///< "100 Continue" to the request that comes in
  bool last = false;              ///< no further request is read
  bool reading = false;           ///< read_requests is at work
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

void HttpFront::accept(io::UniqueFd socket, std::shared_ptr<io::TlsContext> tls) {
  if (connections_.size() >= limits_.http_connections_max) return;  // the socket closes
  std::string address = io::peer_address(socket.get());
  if (address.empty()) return;  // gone already
  std::string subscriber = subscriber_of(address);
  std::uint32_t& of_subscriber = by_subscriber_[subscriber];
  if (limits_.http_connections_per_address != 0 &&
      of_subscriber >= limits_.http_connections_per_address) {
    base::log(LogLevel::kInfo, "http", "{}: refused, {} has {} connections", address,
              subscriber_text(subscriber), of_subscriber);
    return;
  }
  ++of_subscriber;
  const ConnectionId id = ++last_id_;
  auto connection = std::make_unique<Connection>(timers_, *this, id);
  connection->address = std::move(address);
  connection->subscriber = std::move(subscriber);
  connection->tls = tls != nullptr;
  connection->stream = io::accept_stream(loop_, std::move(socket), std::move(tls));
  connection->deadline = io::now() + limits_.request_timeout;
  Connection& made = *connections_.emplace(id, std::move(connection)).first->second;
  timers_.update(made);
  made.stream->start([this, id](base::BytesView bytes) { on_bytes(id, bytes); },
                     [this, id](base::Error end) { on_end(id, end); });
}

void HttpFront::on_bytes(ConnectionId id, base::BytesView bytes) {
  Connection* connection = find(id);
  if (connection == nullptr || connection->last) return;
  connection->input.insert(connection->input.end(), bytes.begin(), bytes.end());
  read_requests(id);
}

/// A client may close its half behind its last request, and still gets the answers.
void HttpFront::on_end(ConnectionId id, base::Error error) {
  base::log(LogLevel::kDebug, "http", "{}", base::to_string(error));
  Connection* connection = find(id);
  if (connection == nullptr) return;
  const bool gone = connection->stream->fd() < 0;  // a reset is kClosed, too
  if (gone || error.code != base::ErrorCode::kClosed) return remove(id);
  if (connection->places.empty()) return finish(*connection);
  connection->last = true;
  connection->places.back().keep_alive = false;
  plan_deadline(*connection);
}

/// Reads requests until as many are under way as may be, or the bytes are used up. The client waits
/// while there is no place for a further one; so its end, too, is seen only behind its last
/// request.
void HttpFront::read_requests(ConnectionId id) {
  Connection* connection = find(id);
  if (connection == nullptr || connection->reading) return;
  connection->reading = true;
  while (connection != nullptr && !connection->last && !on_idle_ &&
         connection->places.size() < kPipelineMax) {
    const bool begun = connection->parser.begun();
    const auto progress = connection->parser.feed(connection->input);
    connection->input.erase(
        connection->input.begin(),
        connection->input.begin() + static_cast<std::ptrdiff_t>(progress.consumed));
    if (progress.refused != 0) {
      connection->reading = false;
      return refuse(*connection, progress.refused);
    }
    if (!begun && connection->parser.begun()) {
      connection->deadline = io::now() + limits_.request_timeout;
      timers_.update(*connection);
    }
    connection->owes_continue |= progress.wants_continue;
    // Behind the answers that are owed before it; not at all where the body came unasked.
    if (connection->owes_continue && !progress.complete && connection->places.empty()) {
      connection->stream->write(bytes_of("HTTP/1.1 100 Continue\r\n\r\n"));
      connection->owes_continue = false;
    }
    if (!progress.complete) break;
    connection->owes_continue = false;
    take_request(*connection);
    connection = find(id);
  }
  if (connection == nullptr) return;
  if (connection->input.empty()) connection->input = {};
  connection->reading = false;
  if (connection->places.size() >= kPipelineMax || on_idle_)
    connection->stream->pause();
  else
    connection->stream->resume();
}

/// The handler may answer at once, and the connection be gone afterwards.
void HttpFront::take_request(Connection& connection) {
  HttpRequest request = connection.parser.take();
  request.peer = connection.address;
  request.tls = connection.tls;
  connection.last = !request.keep_alive;
  const std::uint64_t number = connection.first_place + connection.places.size();
  connection.places.push_back({.keep_alive = request.keep_alive, .head = request.method == "HEAD"});
  plan_deadline(connection);
  handler_(std::move(request), [this, id = connection.id, number](const HttpResponse& response) {
    respond(id, number, response);
  });
}

void HttpFront::respond(ConnectionId id, std::uint64_t number, const HttpResponse& response) {
  Connection* connection = find(id);
  if (connection == nullptr) return;  // its sender went away; the push is accepted all the same
  Connection::Place& place = connection->places.at(number - connection->first_place);
  const bool more = place.keep_alive && !(on_idle_ && number + 1 == connection->first_place +
                                                                        connection->places.size());
  place.keep_alive = more;
  place.bytes = to_bytes(response, io::wall_now(), more, place.head);
  place.ready = true;
  send_soon(id);
}

/// Answers come many at a time, when a sync of the disk is over: those of one connection go out in
/// one write.
void HttpFront::send_soon(ConnectionId id) {
  if (to_send_.empty()) {
    loop_.post([this, alive = std::weak_ptr(alive_)] {
      if (alive.expired()) return;
      for (const ConnectionId each : std::exchange(to_send_, {})) send_ready(each);
    });
  }
  if (to_send_.empty() || to_send_.back() != id) to_send_.push_back(id);
}

/// Sends the answers whose turn it is, as far as the client reads them.
void HttpFront::send_ready(ConnectionId id) {
  Connection* connection = find(id);
  if (connection == nullptr) return;
  bool sent = false;
  // The server does not wait with its end for somebody who does not read.
  while (connection->has_ready() && (on_idle_ || !connection->is_behind())) {
    base::Bytes bytes;
    while (connection->has_ready() && bytes.size() < kUnreadMax) {
      const base::BytesView view = base::as_bytes(connection->places.front().bytes);
      bytes.insert(bytes.end(), view.begin(), view.end());
      connection->places.pop_front();
      ++connection->first_place;
    }
    connection->stream->write(std::move(bytes));
    sent = true;
  }
  // One that was answered before the server began to stop was promised more.
  if (connection->places.empty() && (connection->last || on_idle_)) return finish(*connection);
  if (connection->is_behind()) connection->stream->when_sent([this, id] { send_ready(id); });
  plan_deadline(*connection);
  if (sent) read_requests(id);
}

/// While a request comes in, its own deadline holds; while answers are owed, none, unless the
/// client does not read them.
void HttpFront::plan_deadline(Connection& connection) {
  if (connection.parser.begun() && !connection.last) return;
  const bool its_turn = connection.places.empty() || connection.is_behind();
  connection.deadline = its_turn ? io::now() + limits_.idle_timeout : base::kNever;
  timers_.update(connection);
}

/// Answers bytes that are no request that we take, after the answers before it, and closes.
void HttpFront::refuse(Connection& connection, unsigned status) {
  base::log(LogLevel::kInfo, "http", "{}: refused with {}", connection.stream->peer(), status);
  connection.last = true;
  connection.places.push_back(
      {.ready = true, .bytes = to_bytes({.status = status}, io::wall_now(), false, false)});
  send_ready(connection.id);
}

/// Everything is answered: closes when the client has read it, or does not in time.
void HttpFront::finish(Connection& connection) {
  if (on_idle_ || connection.stream->unsent() == 0) return close(connection.id);
  connection.last = true;
  connection.stream->when_sent([this, id = connection.id] { close(id); });
  plan_deadline(connection);
}

void HttpFront::close(ConnectionId id) {
  if (Connection* connection = find(id)) connection->stream->close();
  remove(id);
}

void HttpFront::remove(ConnectionId id) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  const auto of_subscriber = by_subscriber_.find(it->second->subscriber);
  if (--of_subscriber->second == 0) by_subscriber_.erase(of_subscriber);
  connections_.erase(it);
  if (on_idle_ && connections_.empty()) on_idle_();
}

void HttpFront::stop(std::function<void()> on_idle) {
  std::vector<ConnectionId> unneeded;
  for (const auto& [id, connection] : connections_) {
    if (connection->places.empty()) unneeded.push_back(id);
  }
  for (const ConnectionId id : unneeded) close(id);
  on_idle_ = std::move(on_idle);
  for (const auto& [id, connection] : connections_) send_soon(id);
  if (connections_.empty()) on_idle_();
}

}  // namespace wakeline::server
