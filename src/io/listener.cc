// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "base/log.h"
#include "io/accept.h"
#include "io/stream_state.h"
#include "io/tcp_socket.h"

namespace wakeline::io {
namespace {

using boost::asio::ip::tcp;

bool is_ipv6(int fd) {
  sockaddr_storage at{};
  socklen_t size = sizeof at;
  return ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) == 0 &&
         at.ss_family == AF_INET6;
}

/// Sockets that the kernel lets stand beside each other on one port, while it lives.
class SharedPort {
 public:
  SharedPort(int fd, std::span<const int> beside) : fd_(fd), beside_(beside) {
    if (!beside_.empty()) set(1);
  }
  SharedPort(const SharedPort&) = delete;
  SharedPort& operator=(const SharedPort&) = delete;
  /// Nobody else is to come beside them.
  ~SharedPort() {
    if (!beside_.empty()) set(0);
  }

 private:
  /// Where it fails, the address is in use.
  void set(int on) const {
    ::setsockopt(fd_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    for (const int other : beside_) ::setsockopt(other, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  }

  int fd_;
  std::span<const int> beside_;
};

}  // namespace

base::Result<UniqueFd> listen_tcp(const std::string& address, std::uint16_t port,
                                  std::span<const int> beside) {
  const auto found = tcp_endpoint(address, port);
  if (!found) return base::fail(found.error());
  const tcp::endpoint& endpoint = *found;
  auto fd = tcp_socket(endpoint);
  if (!fd) return fd;
  // A restarted server takes its port while old connections are in TIME_WAIT; one that listens is
  // still in the way.
  const int on = 1;
  if (::setsockopt(fd->get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
    return base::fail(base::os_error("SO_REUSEADDR", errno));
  }
  const SharedPort shared(fd->get(), beside);
  if (::bind(fd->get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0) {
    if (errno == EADDRNOTAVAIL) {
      return base::fail(base::ErrorCode::kInvalidArgument, "bind", errno);
    }
    return base::fail(base::os_error("bind", errno));
  }
  if (::listen(fd->get(), SOMAXCONN) != 0) return base::fail(base::os_error("listen", errno));
  return fd;
}

std::uint16_t port_of(int fd) {
  tcp::endpoint at;
  auto size = static_cast<socklen_t>(at.capacity());
  return ::getsockname(fd, at.data(), &size) == 0 ? at.port() : 0;
}

std::string peer_address(int fd) {
  tcp::endpoint peer;
  auto size = static_cast<socklen_t>(peer.capacity());
  return ::getpeername(fd, peer.data(), &size) == 0 ? peer.address().to_string() : std::string();
}

namespace {

class TcpListenerState : public std::enable_shared_from_this<TcpListenerState> {
 public:
  TcpListenerState(Loop& loop, tcp::acceptor acceptor, Listener::OnAccept on_accept)
      : acceptor_(std::move(acceptor)),
        backoff_(loop.context()),
        on_accept_(std::move(on_accept)) {}

  void wait() {
    acceptor_.async_wait(tcp::acceptor::wait_read,
                         [self = shared_from_this()](boost::system::error_code) {
                           if (!self->closed_) self->accept_batch();
                         });
  }

  void close() {
    closed_ = true;
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    backoff_.cancel(ignored);
  }

  int fd() { return acceptor_.native_handle(); }

  std::uint16_t port() const {
    boost::system::error_code ignored;
    return acceptor_.local_endpoint(ignored).port();
  }

 private:
  void accept_batch() {
    for (int i = 0; i < kAcceptBatch; ++i) {
      UniqueFd fd(
          ::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!fd) {
        const int error = errno;
        if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
          return wait_later(error);
        }
        if (error == EAGAIN) break;
        continue;  // this connection went before we took it
      }
      on_accept_(std::move(fd));
      if (closed_) return;
    }
    wait();
  }

  void wait_later(int error) {
    base::log(base::LogLevel::kWarning, "io", "{}",
              base::to_string(base::os_error("accept", error)));
    backoff_.expires_after(kAcceptBackoff);
    backoff_.async_wait([self = shared_from_this()](boost::system::error_code) {
      if (!self->closed_) self->wait();
    });
  }

  tcp::acceptor acceptor_;
  boost::asio::steady_timer backoff_;
  Listener::OnAccept on_accept_;
  bool closed_ = false;
};

class TcpListener : public Listener {
 public:
  explicit TcpListener(std::shared_ptr<TcpListenerState> state) : state_(std::move(state)) {
    state_->wait();
  }
  TcpListener(const TcpListener&) = delete;
  TcpListener& operator=(const TcpListener&) = delete;
  ~TcpListener() override { state_->close(); }

  std::uint16_t port() const override { return state_->port(); }
  int fd() const override { return state_->fd(); }

 private:
  std::shared_ptr<TcpListenerState> state_;
};

/// A stream whose TLS session could not even be made.
class FailedStream : public Stream {
 public:
  FailedStream(Loop& loop, base::Error error)
      : loop_(loop), error_(error), alive_(std::make_shared<bool>(true)) {}

  void start(OnBytes, OnEnd on_end) override {
    loop_.post([on_end = std::move(on_end), error = error_, alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) on_end(error);
    });
  }
  void write(base::Bytes) override {}
  void close() override { alive_.reset(); }
  void pause() override {}
  void resume() override {}
  std::size_t unsent() const override { return 0; }
  void when_sent(std::function<void()>) override {}
  int fd() const override { return -1; }
  std::string peer() const override { return {}; }

 private:
  Loop& loop_;
  base::Error error_;
  std::shared_ptr<bool> alive_;
};

}  // namespace

std::unique_ptr<Stream> accept_stream(Loop& loop, UniqueFd socket,
                                      const std::shared_ptr<TlsContext>& tls) {
  const int fd = socket.get();
  auto transport = tls ? Transport::tls_server(fd, tls->native())
                       : base::Result<Transport>(Transport::plain(fd));
  if (!transport) return std::make_unique<FailedStream>(loop, transport.error());
  boost::system::error_code error;
  tcp::socket owner(loop.context());
  owner.assign(is_ipv6(fd) ? tcp::v6() : tcp::v4(), fd, error);
  if (error) return std::make_unique<FailedStream>(loop, base::os_error("assign", error.value()));
  socket.release();
  return make_stream(std::make_shared<StreamState>(loop, std::move(owner), std::move(*transport)));
}

base::Result<std::unique_ptr<Listener>> Listener::open(Loop& loop, const std::string& address,
                                                       std::uint16_t port, OnAccept on_accept) {
  auto fd = listen_tcp(address, port);
  if (!fd) return base::fail(fd.error());
  return adopt(loop, std::move(*fd), std::move(on_accept));
}

base::Result<std::unique_ptr<Listener>> Listener::adopt(Loop& loop, UniqueFd fd,
                                                        OnAccept on_accept) {
  tcp::acceptor acceptor(loop.context());
  boost::system::error_code error;
  acceptor.assign(is_ipv6(fd.get()) ? tcp::v6() : tcp::v4(), fd.get(), error);
  if (error) return base::fail(base::os_error("assign", error.value()));
  fd.release();
  return std::make_unique<TcpListener>(
      std::make_shared<TcpListenerState>(loop, std::move(acceptor), std::move(on_accept)));
}

}  // namespace wakeline::io
