// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gloox/clientbase.h>
#include <gloox/connectionbase.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wakeline/app.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

namespace wakeline::adapters {

/// The socket of a gloox client, tagged anew at each connect (C5, C36); STARTTLS and everything
/// else above it stays gloox's.
///
///   gloox::Client client(jid, password);
///   client.setConnectionImpl(new GlooxConnection(app, client, "xmpp.example.org", 5222));
///   client.connect(false);
///   … poll client's socket() for reading, then client.recv(0) …
///
/// `connect(true)` works too: it blocks in one poll without a wake-up a second, and descriptors
/// over 1,023 do no harm. Threads: as gloox::Client, one; `send` also from others.
/// Lifetime: the client owns it; `app` and the client outlive it.
class GlooxConnection : public ::gloox::ConnectionBase {
 public:
  /// How long a connect, or a send without any progress, may take.
  static constexpr std::chrono::milliseconds kPatience{8'000};
  /// Of XMPP clients.
  static constexpr int kDefaultPort = 5222;

  /// Connects to `server` itself, again after each loss. `port` -1: kDefaultPort (no SRV lookup).
  GlooxConnection(App& app, ::gloox::ClientBase& client, const std::string& server, int port = -1)
      : ::gloox::ConnectionBase(&client), app_(app) {
    setServer(server, port < 0 ? kDefaultPort : port);
  }
  /// Over a fresh connection of the caller, which it owns from now on, for one `connect`.
  GlooxConnection(App& app, ::gloox::ClientBase& client, int fd)
      : ::gloox::ConnectionBase(&client), app_(app), given_(fd) {}
  GlooxConnection(const GlooxConnection&) = delete;
  GlooxConnection& operator=(const GlooxConnection&) = delete;
  ~GlooxConnection() override {
    close_socket();
    if (given_ >= 0) ::close(given_);
  }

  /// For poll; -1 while there is no connection.
  int socket() const { return fd_; }
  /// How the last connection's tagging went. A refusal leaves it working, untagged (C4).
  const Result<void>& tagged() const { return tagged_; }
  /// Whether its bytes would wake the app now (C5).
  bool is_wake_capable() const { return fd_ >= 0 && app_.is_wake_capable(fd_); }

  /// Connects and tags; as gloox::ConnectionBase has it.
  ::gloox::ConnectionError connect() override {
    if (m_handler == nullptr) return ::gloox::ConnNotConnected;
    if (fd_ >= 0) return ::gloox::ConnNoError;
    m_state = ::gloox::StateConnecting;
    int fd = std::exchange(given_, -1);
    if (fd < 0 && !m_server.empty()) {
      const auto made = app_.connect_tcp(m_server, static_cast<std::uint16_t>(m_port), kPatience);
      if (!made) return lose(error_of(made.error()));
      fd = *made;
    }
    if (fd < 0) return lose(::gloox::ConnNotConnected);
    {
      const std::lock_guard lock(sending_);
      fd_ = fd;
    }
    // Before the first byte, so that none comes to an app that is asleep and untagged.
    tagged_ = app_.enable_backgrounding(fd_);
    m_state = ::gloox::StateConnected;
    m_handler->handleConnect(this);
    return ::gloox::ConnNoError;
  }

  /// `timeout` in microseconds, -1: until something comes.
  ::gloox::ConnectionError recv(int timeout = -1) override {
    if (fd_ < 0) return ::gloox::ConnNotConnected;
    pollfd waited{fd_, POLLIN, 0};
    const int ready = ::poll(&waited, 1, timeout < 0 ? -1 : (timeout + 999) / 1000);
    if (ready == 0 || (ready < 0 && errno == EINTR)) return ::gloox::ConnNoError;
    std::array<char, kBlock> block;
    const ssize_t got = ::recv(fd_, block.data(), block.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return ::gloox::ConnNoError;
    // The end and a reset alike are the orderly end of a line (C35).
    if (got <= 0) return lose(got == 0 ? ::gloox::ConnStreamClosed : ::gloox::ConnIoError);
    total_in_ += got;
    // The handler may disconnect.
    if (m_handler != nullptr)
      m_handler->handleReceivedData(this, std::string(block.data(), static_cast<std::size_t>(got)));
    return ::gloox::ConnNoError;
  }

  /// False: not all of it went, also after kPatience without progress.
  bool send(const std::string& data) override {
    const std::lock_guard lock(sending_);
    for (std::size_t sent = 0; sent < data.size();) {
      if (fd_ < 0) return false;
      const ssize_t size =
          ::send(fd_, data.data() + sent, data.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (size >= 0) {
        sent += static_cast<std::size_t>(size);
        total_out_ += size;
      } else if (errno == EAGAIN) {
        pollfd waited{fd_, POLLOUT, 0};
        if (::poll(&waited, 1, static_cast<int>(kPatience.count())) == 0) return false;
      } else if (errno != EINTR) {
        return false;
      }
    }
    return true;
  }

  /// Receives until the connection ends.
  ::gloox::ConnectionError receive() override {
    ::gloox::ConnectionError error = ::gloox::ConnNoError;
    while (error == ::gloox::ConnNoError && m_handler != nullptr) error = recv(-1);
    return error == ::gloox::ConnNoError ? ::gloox::ConnNotConnected : error;
  }

  void disconnect() override { close_socket(); }  ///< closes the socket
  void cleanup() override { close_socket(); }     ///< closes the socket

  /// Bytes that came and went, of all connections of this object.
  void getStatistics(long int& total_in, long int& total_out) override {
    total_in = total_in_;
    total_out = total_out_;
  }
  /// Of a connection over the caller's socket there is no second one: it cannot connect.
  ::gloox::ConnectionBase* newInstance() const override {
    auto* made = new GlooxConnection(app_, m_handler);
    made->setServer(m_server, m_port);
    return made;
  }

 private:
  static constexpr std::size_t kBlock = 8'192;  // bytes of one read

  GlooxConnection(App& app, ::gloox::ConnectionDataHandler* handler)
      : ::gloox::ConnectionBase(handler), app_(app) {}

  static ::gloox::ConnectionError error_of(const Error& error) {
    return error.code == ErrorCode::kUnreachable ? ::gloox::ConnConnectionRefused
                                                 : ::gloox::ConnIoError;
  }

  ::gloox::ConnectionError lose(::gloox::ConnectionError why) {
    close_socket();
    if (m_handler != nullptr) m_handler->handleDisconnect(this, why);
    return why;
  }

  /// The tag is gone with the connection (C5).
  void close_socket() {
    const std::lock_guard lock(sending_);
    m_state = ::gloox::StateDisconnected;
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

  App& app_;
  int given_ = -1;
  int fd_ = -1;
  std::mutex sending_;
  Result<void> tagged_{Error{ErrorCode::kNotConnected, "not yet connected"}};
  long int total_in_ = 0;
  long int total_out_ = 0;
};

}  // namespace wakeline::adapters
