// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/stream.h"
#include "server/http_parser.h"
#include "server/options.h"
#include "server/timer_queue.h"

namespace wakeline::server {

/// Pipelined requests of one connection that are under way at a time; what comes behind them waits
/// unread, in the end at the client.
inline constexpr std::size_t kPipelineMax = 64;

/// The app servers' connections: HTTP/1.1 with keep-alive and pipelining. Requests of one
/// connection are under way together, so that they share a sync of the disk, and are answered in
/// their order. All on the loop's thread.
class HttpFront {
 public:
  using Respond = std::function<void(HttpResponse)>;
  /// Answers a request by calling `respond` once, now or later.
  using Handler = std::function<void(HttpRequest, Respond respond)>;

  HttpFront(io::Loop& loop, TimerQueue& timers, const Limits& limits, std::size_t body_max,
            Handler handler);
  ~HttpFront();
  HttpFront(const HttpFront&) = delete;
  HttpFront& operator=(const HttpFront&) = delete;

  /// `tls` null: plain. Beyond `http_connections_max` in all, or `http_connections_per_address`,
  /// the connection is closed at once.
  void accept(io::UniqueFd socket, std::shared_ptr<io::TlsContext> tls);
  /// Closes the connections without a request under way, the others after its answer.
  /// `on_idle` is called, maybe at once, when none is left.
  void stop(std::function<void()> on_idle);
  std::size_t connections() const { return connections_.size(); }
  /// From now on; connections that are there stay.
  void set_limits(const Limits& limits) { limits_ = limits; }

 private:
  struct Connection;
  using ConnectionId = std::uint64_t;

  Connection* find(ConnectionId id);
  void on_bytes(ConnectionId id, base::BytesView bytes);
  void on_end(ConnectionId id, base::Error error);
  void read_requests(ConnectionId id);
  void take_request(Connection& connection);
  void respond(ConnectionId id, std::uint64_t number, const HttpResponse& response);
  void send_soon(ConnectionId id);
  void send_ready(ConnectionId id);
  void plan_deadline(Connection& connection);
  void refuse(Connection& connection, unsigned status);
  void finish(Connection& connection);
  void close(ConnectionId id);
  void remove(ConnectionId id);

  io::Loop& loop_;
  TimerQueue& timers_;
  Limits limits_;
  std::size_t body_max_;
  Handler handler_;
  std::function<void()> on_idle_;      ///< set while stopping
  std::vector<ConnectionId> to_send_;  ///< have answers; sent when the handlers under way are over
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< for what is posted
  ConnectionId last_id_ = 0;
  std::unordered_map<ConnectionId, std::unique_ptr<Connection>> connections_;
  /// How many connections each has, see subscriber.h.
  std::unordered_map<std::string, std::uint32_t> by_subscriber_;
};

}  // namespace wakeline::server
