// SPDX-License-Identifier: Apache-2.0
#include "io/seqpacket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <list>
#include <optional>
#include <span>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "io/pass_fds.h"
#include "io/unix_socket.h"

namespace wakeline::io {
namespace {

constexpr std::size_t kWaitingMax = 1'024;  // messages unsent; see Seqpacket::send
constexpr int kMessageBatch = 16;           // messages read before other handlers have their turn

/// With the loop's own executor: one that can be any costs 100 bytes a connection.
using Descriptor =
    boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type>;

struct Outgoing {
  std::string message;
  UniqueFd fd;
};

/// 0, or the errno of sendmsg(2).
int send_message(int socket, const std::string& message, int fd) {
  const auto fds = fd >= 0 ? std::span<const int>(&fd, 1) : std::span<const int>();
  return send_with_fds(socket, base::as_bytes(message), fds, MSG_DONTWAIT);
}

/// Shared with the waits under way, so that the owner may go in a handler.
class ConnectionState : public std::enable_shared_from_this<ConnectionState> {
 public:
  ConnectionState(Loop& loop, int fd, PeerCredentials peer)
      : loop_(loop), descriptor_(loop.context(), fd), peer_(peer) {}

  void start(std::size_t message_max, Seqpacket::OnMessage on_message, Seqpacket::OnEnd on_end) {
    message_max_ = message_max;
    on_message_ = std::move(on_message);
    on_end_ = std::move(on_end);
    if (failure_) {
      fail_later(*failure_);
    } else {
      wait_readable();
    }
  }

  void send(std::string message, int fd) {
    if (closed_ || failure_) return;
    if (waiting_.empty()) {
      const int error = send_message(socket(), message, fd);
      if (error == 0) return;
      if (error != EAGAIN) return fail_later(base::os_error("sendmsg", error));
    }
    if (waiting_.size() >= kWaitingMax) {
      return fail_later({base::ErrorCode::kTooLarge, "messages waiting"});
    }
    UniqueFd copy;
    if (fd >= 0) {
      copy = UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
      if (!copy) return fail_later(base::os_error("dup", errno));
    }
    waiting_.push_back({std::move(message), std::move(copy)});
    if (waiting_.size() == 1) wait_writable();
  }

  void close() {
    if (closed_) return;
    closed_ = true;
    waiting_.clear();
    boost::system::error_code ignored;
    descriptor_.close(ignored);
  }

  const PeerCredentials& peer() const { return peer_; }

  bool unread() {
    if (closed_) return false;
    pollfd wait{socket(), POLLIN, 0};
    return ::poll(&wait, 1, 0) > 0 && (wait.revents & POLLIN) != 0;
  }

  void set_reading(bool on) {
    reading_ = on;
    read_on();
  }

  void hold_reading_while_sending() { holds_ = true; }

 private:
  int socket() { return descriptor_.native_handle(); }

  /// From a handler of our own: the end is told at once.
  void end(base::Error error) {
    close();
    // The handlers may hold their owner; they go with this call.
    const auto on_end = std::move(on_end_);
    on_end_ = nullptr;
    on_message_ = nullptr;
    if (on_end) on_end(error);
  }

  /// From a call of the owner: the end is told later, when the call has returned.
  void fail_later(base::Error error) {
    failure_ = error;
    if (!on_end_) return;  // told by `start`
    loop_.post([self = shared_from_this(), error] {
      if (!self->closed_) self->end(error);
    });
  }

  bool may_read() const { return reading_ && !(holds_ && !waiting_.empty()); }

  void read_on() {
    if (may_read() && on_message_ && !closed_ && !waits_) wait_readable();
  }

  void wait_readable() {
    waits_ = true;
    descriptor_.async_wait(Descriptor::wait_read,
                           [self = shared_from_this()](boost::system::error_code) {
                             self->waits_ = false;
                             if (!self->closed_ && self->may_read()) self->read_batch();
                           });
  }

  void wait_writable() {
    descriptor_.async_wait(Descriptor::wait_write,
                           [self = shared_from_this()](boost::system::error_code) {
                             if (!self->closed_) self->send_waiting();
                           });
  }

  void send_waiting() {
    while (!waiting_.empty()) {
      const Outgoing& next = waiting_.front();
      const int error = send_message(socket(), next.message, next.fd.get());
      if (error == EAGAIN) return wait_writable();
      if (error != 0) return end(base::os_error("sendmsg", error));
      waiting_.pop_front();
    }
    read_on();
  }

  void read_batch() {
    for (int i = 0; i < kMessageBatch; ++i) {
      if (!read_one() || !may_read()) return;
    }
    wait_readable();
  }

  /// False when this batch is over: nothing there, or the connection ended.
  bool read_one() {
    // The length first: no buffer of the largest size for each connection.
    const ssize_t size = ::recv(socket(), nullptr, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
    if (size < 0) return on_read_error(errno);
    if (static_cast<std::size_t>(size) > message_max_) {
      end({base::ErrorCode::kTooLarge, "message"});
      return false;
    }
    std::string message(static_cast<std::size_t>(size), '\0');
    auto got = receive_with_fds(socket(),
                                {reinterpret_cast<std::uint8_t*>(message.data()), message.size()},
                                Seqpacket::kFdsMax, MSG_DONTWAIT);
    if (!got) return on_read_error(got.error().os_error);
    if (got->fds_lost) {
      end({base::ErrorCode::kTooLarge, "descriptors"});
      return false;
    }
    // An empty datagram looks like the end, and no peer of ours sends one.
    if (got->size == 0) {
      end({base::ErrorCode::kClosed, "recvmsg"});
      return false;
    }
    on_message_(message, std::move(got->fds));
    return !closed_;
  }

  bool on_read_error(int error) {
    if (error == EAGAIN || error == EINTR) {
      wait_readable();
    } else {
      end(base::os_error("recvmsg", error));
    }
    return false;
  }

  Loop& loop_;
  Descriptor descriptor_;
  PeerCredentials peer_;
  std::size_t message_max_ = 0;
  Seqpacket::OnMessage on_message_;
  Seqpacket::OnEnd on_end_;
  std::list<Outgoing> waiting_;  // nearly always empty, and then without memory
  std::optional<base::Error> failure_;
  bool reading_ = true;
  bool holds_ = false;  // reads nothing while messages wait
  bool waits_ = false;  // for something to read
  bool closed_ = false;
};

class Connection : public Seqpacket {
 public:
  explicit Connection(std::shared_ptr<ConnectionState> state) : state_(std::move(state)) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() override { state_->close(); }

  void start(std::size_t message_max, OnMessage on_message, OnEnd on_end) override {
    state_->start(message_max, std::move(on_message), std::move(on_end));
  }
  void send(std::string message, int fd) override { state_->send(std::move(message), fd); }
  const PeerCredentials& peer() const override { return state_->peer(); }
  bool unread() const override { return state_->unread(); }
  void set_reading(bool on) override { state_->set_reading(on); }
  void hold_reading_while_sending() override { state_->hold_reading_while_sending(); }

 private:
  std::shared_ptr<ConnectionState> state_;
};

}  // namespace

base::Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty()) return base::fail(base::ErrorCode::kInvalidArgument, "socket path");
  if (path.size() >= sizeof address.sun_path) {
    return base::fail(base::ErrorCode::kTooLarge, "socket path");
  }
  memcpy(address.sun_path, path.data(), path.size());
  return address;
}

base::Result<UniqueFd> unix_socket() {
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return base::fail(base::os_error("socket", errno));
  return fd;
}

base::Result<void> connect_unix(int fd, const sockaddr_un& address) {
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return {};
  // A full queue of the listener; a Unix socket is connected at once or not at all.
  if (errno == EAGAIN) return base::fail(base::ErrorCode::kBusy, "connect", errno);
  return base::fail(base::os_error("connect", errno));
}

base::Result<std::unique_ptr<Seqpacket>> wrap_seqpacket(Loop& loop, UniqueFd fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return base::fail(base::os_error("SO_PEERCRED", errno));
  }
  const PeerCredentials peer{credentials.pid, credentials.uid, credentials.gid};
  return std::make_unique<Connection>(std::make_shared<ConnectionState>(loop, fd.release(), peer));
}

base::Result<std::unique_ptr<Seqpacket>> connect_seqpacket(Loop& loop, const std::string& path) {
  const auto address = unix_address(path);
  if (!address) return base::fail(address.error());
  auto fd = unix_socket();
  if (!fd) return base::fail(fd.error());
  if (auto connected = connect_unix(fd->get(), *address); !connected) {
    return base::fail(connected.error());
  }
  return wrap_seqpacket(loop, std::move(*fd));
}

}  // namespace wakeline::io
