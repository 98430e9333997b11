// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "io/keep_alive.h"
#include "io/stream_state.h"
#include "io/tcp_socket.h"

namespace wakeline::io {
namespace {

using boost::asio::ip::tcp;
using OnConnected = std::function<void(base::Result<std::unique_ptr<Stream>>)>;

class Attempt : public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(Loop& loop, ConnectOptions options, OnConnected on_done)
      : loop_(loop),
        options_(std::move(options)),
        on_done_(std::move(on_done)),
        socket_(loop.context()) {}

  void start() {
    if (auto begun = begin(); !begun) {
      loop_.post(
          [self = shared_from_this(), error = begun.error()] { self->done(base::fail(error)); });
    }
  }

  void secure() {
    if (!options_.tls || !std::exchange(options_.tls_waits, false)) return;
    loop_.post([self = shared_from_this()] { self->begin_transport(); });
  }

  void cancel() {
    over_ = true;
    close();
  }

 private:
  void close() {
    boost::system::error_code ignored;
    socket_.close(ignored);
    if (state_) state_->abort();
  }

  base::Result<void> begin() {
    const auto endpoint = tcp_endpoint(options_.address, options_.port);
    if (!endpoint) return base::fail(endpoint.error());
    auto fd = tcp_socket(*endpoint);
    if (!fd) return base::fail(fd.error());
    if (auto set = set_keep_alive(fd->get(), options_.keep_alive); !set) return set;
    boost::system::error_code error;
    socket_.assign(endpoint->protocol(), fd->get(), error);
    if (error) return base::fail(base::os_error("assign", error.value()));
    fd->release();
    socket_.async_connect(*endpoint,
                          [self = shared_from_this()](boost::system::error_code connected) {
                            self->on_tcp(connected);
                          });
    return {};
  }

  void on_tcp(boost::system::error_code error) {
    if (over_) return;
    if (error) return done(base::fail(base::os_error("connect", error.value())));
    const int fd = socket_.native_handle();
    const bool waits = options_.tls && options_.tls_waits;  // `secure` may be said in the handler
    if (options_.on_connected_fd) options_.on_connected_fd(fd);
    if (!waits) begin_transport();
  }

  void begin_transport() {
    if (over_) return;
    const int fd = socket_.native_handle();
    base::Result<Transport> transport = Transport::plain(fd);
    if (options_.tls) {
      transport = Transport::tls_client(fd, options_.tls->native(), options_.tls_name);
      if (!transport) return done(base::fail(transport.error()));
    }
    state_ = std::make_shared<StreamState>(loop_, std::move(socket_), std::move(*transport));
    // Not `self`: the state, which this attempt owns, holds the function until it is called.
    state_->handshake([this](base::Result<void> shaken) {
      if (!shaken) return done(base::fail(shaken.error()));
      done(make_stream(std::move(state_)));
    });
  }

  void done(base::Result<std::unique_ptr<Stream>> result) {
    if (std::exchange(over_, true)) return;
    if (!result) close();
    // The handler may destroy the attempt.
    const auto self = shared_from_this();
    const auto on_done = std::move(on_done_);
    on_done(std::move(result));
  }

  Loop& loop_;
  ConnectOptions options_;
  OnConnected on_done_;
  tcp::socket socket_;
  std::shared_ptr<StreamState> state_;
  bool over_ = false;
};

class AttemptHandle : public ConnectAttempt {
 public:
  explicit AttemptHandle(std::shared_ptr<Attempt> attempt) : attempt_(std::move(attempt)) {
    attempt_->start();
  }
  AttemptHandle(const AttemptHandle&) = delete;
  AttemptHandle& operator=(const AttemptHandle&) = delete;
  ~AttemptHandle() override { attempt_->cancel(); }
  void secure() override { attempt_->secure(); }

 private:
  std::shared_ptr<Attempt> attempt_;
};

/// A socket option in whole seconds, at least one; the kernel takes at most 32,767.
int whole_seconds(base::Duration duration) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(duration).count();
  return static_cast<int>(std::clamp<std::int64_t>(seconds, 1, 32'767));
}

base::Result<void> set_option(int fd, int level, int name, int value, const char* where) {
  if (::setsockopt(fd, level, name, &value, sizeof value) == 0) return {};
  return base::fail(base::os_error(where, errno));
}

}  // namespace

base::Result<tcp::endpoint> tcp_endpoint(const std::string& address, std::uint16_t port) {
  boost::system::error_code error;
  const auto parsed = boost::asio::ip::make_address(address, error);
  if (error) return base::fail(base::ErrorCode::kInvalidArgument, "numeric address");
  return tcp::endpoint(parsed, port);
}

base::Result<UniqueFd> tcp_socket(const tcp::endpoint& endpoint) {
  const int family = endpoint.protocol().family();
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  if (!fd) return base::fail(base::os_error("socket", errno));
  return fd;
}

int keep_idle_seconds(base::Duration most) {
  return std::max(1, static_cast<int>(most * 8 / 9 / std::chrono::seconds(1)));
}

base::Result<void> set_keep_alive(int fd, const KeepAlive& keep_alive) {
  const bool on = keep_alive.idle > base::Duration::zero();
  const auto give_up = keep_alive.idle + keep_alive.interval * keep_alive.count;
  const auto give_up_ms = std::chrono::ceil<std::chrono::milliseconds>(give_up).count();
  const int user_timeout =
      on ? static_cast<int>(std::clamp<std::int64_t>(give_up_ms, 1, INT32_MAX)) : 0;
  auto set = set_option(fd, SOL_SOCKET, SO_KEEPALIVE, on ? 1 : 0, "SO_KEEPALIVE");
  if (set) {
    set = set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout, "TCP_USER_TIMEOUT");
  }
  if (!set || !on) return set;
  set =
      set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, keep_idle_seconds(keep_alive.idle), "TCP_KEEPIDLE");
  if (!set) return set;
  const int interval = whole_seconds(keep_alive.interval);
  set = set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, interval, "TCP_KEEPINTVL");
  if (!set) return set;
  return set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, keep_alive.count, "TCP_KEEPCNT");
}

std::unique_ptr<ConnectAttempt> connect(Loop& loop, ConnectOptions options, OnConnected on_done) {
  return std::make_unique<AttemptHandle>(
      std::make_shared<Attempt>(loop, std::move(options), std::move(on_done)));
}

}  // namespace wakeline::io
