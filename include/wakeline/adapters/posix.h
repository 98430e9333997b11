// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wakeline/app.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace wakeline::adapters {

/// A blocking TCP socket with its tag, for a program that reads in a thread of its own. It owns the
/// socket; a new connection is a new object, tagged anew (C5).
/// Threads: as a socket's: one that reads and one that writes.
class TaggedSocket {
 public:
  /// Connects (App::connect_tcp) and tags.
  static Result<TaggedSocket> connect(App& app, const std::string& host, std::uint16_t port,
                                      std::chrono::milliseconds timeout) {
    auto fd = app.connect_tcp(host, port, timeout);
    if (!fd) return fd.error();
    return TaggedSocket(app, *fd);
  }
  /// Tags a connected socket of the caller, which it owns from now on.
  TaggedSocket(App& app, int fd) : fd_(fd), tag_(app.tag(fd)) {}
  /// Takes the connection over; the other one has none then.
  TaggedSocket(TaggedSocket&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), tag_(std::move(other.tag_)) {}
  /// Closes its own first.
  TaggedSocket& operator=(TaggedSocket&& other) noexcept {
    if (this != &other) {
      close();
      fd_ = std::exchange(other.fd_, -1);
      tag_ = std::move(other.tag_);
    }
    return *this;
  }
  ~TaggedSocket() { close(); }

  /// For poll and options; -1: none.
  int fd() const { return fd_; }
  /// How tagging went: a refusal leaves the socket working, untagged (C4).
  const Result<Tag>& tag() const { return tag_; }
  /// Whether its bytes would wake the app now (C5).
  bool is_wake_capable() const { return tag_ && tag_->is_wake_capable(); }

  /// Waits for bytes, however long.
  /// Errors: kClosed: the end, a reset or a line that the kernel found dead: connect anew (C35).
  Result<std::size_t> read(void* into, std::size_t size) const {
    for (;;) {
      const ssize_t got = ::recv(fd_, into, size, 0);
      if (got > 0 || (got == 0 && size == 0)) return static_cast<std::size_t>(got);
      if (got == 0) return Error{ErrorCode::kClosed, "the peer ended the connection"};
      if (errno == EAGAIN && !wait(POLLIN)) return failure();
      if (errno != EAGAIN && errno != EINTR) return failure();
    }
  }
  /// Sends all of it; raises no SIGPIPE. Errors: as `read`.
  Result<void> write(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent >= 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      } else if (errno == EAGAIN) {
        if (!wait(POLLOUT)) return failure();
      } else if (errno != EINTR) {
        return failure();
      }
    }
    return {};
  }
  /// Ends a `read` that waits in another thread.
  void shut_down() const { ::shutdown(fd_, SHUT_RDWR); }

 private:
  static Error failure() {
    const bool over = errno == ECONNRESET || errno == EPIPE || errno == ENOTCONN ||
                      errno == ETIMEDOUT || errno == EHOSTUNREACH || errno == ENETUNREACH;
    return {over ? ErrorCode::kClosed : ErrorCode::kOs, std::generic_category().message(errno)};
  }
  /// The socket may be non-blocking, as its former owner wanted it.
  bool wait(short events) const {
    pollfd waited{fd_, events, 0};
    return ::poll(&waited, 1, -1) >= 0 || errno == EINTR;
  }
  /// The tag first, so that no other socket of this number is ever watched.
  void close() {
    tag_ = Error{ErrorCode::kNotConnected, "closed"};
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

  int fd_;
  Result<Tag> tag_;
};

}  // namespace wakeline::adapters
