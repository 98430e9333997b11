// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "io/loop.h"
#include "io/tls.h"
#include "io/unique_fd.h"

namespace wakeline::io {

/// Bytes that may wait unsent in one stream; a peer that does not read is closed with kTooLarge.
inline constexpr std::size_t kUnsentMax = 1 << 20;

/// Kernel keep-alive of one TCP socket (C39); `idle` zero: off.
struct KeepAlive {
  base::Duration idle{};
  base::Duration interval = std::chrono::seconds(10);
  int count = 3;
};

/// A connected TCP stream, plain or TLS. All calls and handlers are on the loop's thread.
class Stream {
 public:
  using OnBytes = std::function<void(base::BytesView)>;
  using OnEnd = std::function<void(base::Error)>;  ///< kClosed at an orderly end; called once,
                                                   ///< never after `close`

  virtual ~Stream() = default;  ///< closes

  /// Starts reading. `on_bytes` views are valid during the call only. Either handler may destroy
  /// the stream. After an orderly end of the peer `write` and `close` still work: it may have
  /// closed its half alone.
  virtual void start(OnBytes on_bytes, OnEnd on_end) = 0;
  /// Queues bytes; they are sent in order. Over kUnsentMax the stream ends with kTooLarge.
  virtual void write(base::Bytes bytes) = 0;
  /// Sends what is queued (at most two seconds), then closes; the stream may be destroyed
  /// meanwhile. No handler is called after it. Reads and drops what still comes, so that the last
  /// words are not lost to a reset.
  virtual void close() = 0;
  /// Reads nothing more, so that the peer has to wait, until `resume`. Neither bytes nor an orderly
  /// end are told meanwhile, those of a read under way included.
  virtual void pause() = 0;
  virtual void resume() = 0;
  virtual std::size_t unsent() const = 0;
  /// Calls `done` once, later, when nothing waits unsent; never when the stream ends before.
  virtual void when_sent(std::function<void()> done) = 0;
  virtual int fd() const = 0;            ///< -1: nothing more goes either way
  virtual std::string peer() const = 0;  ///< "127.0.0.1:4711"
};

struct ConnectOptions {
  std::string address;  ///< numeric
  std::uint16_t port = 0;
  std::shared_ptr<TlsContext> tls;  ///< null: plain
  std::string tls_name;             ///< name or address that the certificate must carry
  KeepAlive keep_alive;
  /// Sees the descriptor after TCP and before TLS; may be null.
  std::function<void(int)> on_connected_fd;
  /// TLS begins when `secure` asks for it, not by itself.
  bool tls_waits = false;
};

/// Destroying it cancels the attempt, and `on_done` is not called.
class ConnectAttempt {
 public:
  virtual ~ConnectAttempt() = default;
  /// For `tls_waits`, once `on_connected_fd` was called: begins TLS, later than this call.
  virtual void secure() = 0;
};

/// Connects TCP, then TLS; `on_done` is called later, never within this call. No deadline of its
/// own: the caller destroys the attempt.
/// Errors (to `on_done`): kUnreachable, kTimeout (the kernel's), kTls (`where` "tls.certificate":
/// not trusted, "tls.name": another's, "tls.time": not valid now), kClosed, kInvalidArgument.
std::unique_ptr<ConnectAttempt> connect(
    Loop& loop, ConnectOptions options,
    std::function<void(base::Result<std::unique_ptr<Stream>>)> on_done);

/// Wraps an accepted socket; `tls` null: plain. The handshake runs in the background of `start`;
/// its failure is an on_end with kTls or kClosed. It has no deadline of its own.
std::unique_ptr<Stream> accept_stream(Loop& loop, UniqueFd socket,
                                      const std::shared_ptr<TlsContext>& tls);

/// Sets SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT and TCP_USER_TIMEOUT (idle +
/// interval × count).
base::Result<void> set_keep_alive(int fd, const KeepAlive& keep_alive);

/// A listening, non-blocking TCP socket, closed on exec. `address` numeric; `port` 0: any free one.
/// `beside`: sockets of this user that listen on the port at other addresses, or at all of them,
/// and may stay. Errors: kAddressInUse, kPermission, kInvalidArgument (the address is none, or not
/// of this machine).
base::Result<UniqueFd> listen_tcp(const std::string& address, std::uint16_t port,
                                  std::span<const int> beside = {});
/// The local port of a TCP socket.
std::uint16_t port_of(int fd);
/// The numeric address of a TCP socket's peer; empty: it is gone.
std::string peer_address(int fd);

/// A listening TCP socket; accepts until destroyed; backs off a moment when descriptors run out.
/// Its sockets are closed on exec.
class Listener {
 public:
  using OnAccept = std::function<void(UniqueFd)>;  ///< non-blocking
  /// Errors: those of listen_tcp.
  static base::Result<std::unique_ptr<Listener>> open(Loop& loop, const std::string& address,
                                                      std::uint16_t port, OnAccept on_accept);
  /// Goes on with a socket that listens already.
  static base::Result<std::unique_ptr<Listener>> adopt(Loop& loop, UniqueFd fd, OnAccept on_accept);
  virtual ~Listener() = default;
  virtual std::uint16_t port() const = 0;
  virtual int fd() const = 0;
};

}  // namespace wakeline::io
