// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <wakeline/app.h>
#include <wakeline/error.h>
#include <wakeline/export.h>
#include <wakeline/run_loop.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace wakeline {

namespace app {
class StreamCore;
}  // namespace app

enum class StreamEvent : std::uint8_t {
  kOpenCompleted,      ///< connected, tagged or refused to be, TLS stands
  kHasBytesAvailable,  ///< `read` will give some; told again only after a `read`
  kCanAcceptBytes,     ///< `write` will take some: after the opening, after `use_tls` on an open
                       ///< stream, and after a `write` that took less than it was given
  kErrorOccurred,      ///< `error` says which; the connection is over
  kEndEncountered,     ///< the peer sends nothing more, and all it sent was read
};
enum class StreamState : std::uint8_t { kNotOpen, kOpening, kOpen, kAtEnd, kError, kClosed };
/// What a connection is for: one for VoIP is tagged, so that its bytes wake the app (C3).
enum class ServiceType : std::uint8_t { kDefault, kVoip };
/// Who closes the socket of a stream over an existing connection.
enum class SocketOwner : std::uint8_t { kApp, kStream };

WAKELINE_API std::string_view name(StreamEvent event);
WAKELINE_API std::string_view name(StreamState state);

/// TLS above a stream. Certificate and name of the peer are always verified.
struct TlsOptions {
  std::string name = {};     ///< that the certificate must carry; empty: the host that was named
  std::string ca_file = {};  ///< PEM; empty: the system's trust store
};

/// The two directions of one TCP connection, with events on a run loop (C32). Made for VoIP it
/// wakes the suspended app, and its events are delivered in the background as in the foreground.
/// There is no time limit for reading: a peer may be silent for ever.
///
/// Threads: any. The handler runs in the run loop's thread, never within a call of this class.
/// `close` and the destructor wait for a handler that is running in another thread; after them none
/// begins. An exception of the handler leaves the run loop; the stream goes on.
class WAKELINE_API StreamPair {
 public:
  /// Is told each event.
  using Handler = std::function<void(StreamEvent)>;

  /// A connection still to be made: all addresses of the host, the first that stands (RFC 8305).
  /// Errors: kInvalidArgument (no host, port 0).
  static Result<StreamPair> to_host(App& app, const std::string& host, std::uint16_t port);
  /// Over a connected TCP socket, whose flags and options stay as they are (C7). With
  /// SocketOwner::kApp it outlives the stream and may be read and written by the app itself: what
  /// the app has read the stream does not see; `open` without looking at events is enough then.
  /// Errors: kNotSocket, kNotTcp, kListening, kNotConnected.
  static Result<StreamPair> over_socket(App& app, int fd, SocketOwner owner);
  StreamPair(StreamPair&&) noexcept;
  StreamPair& operator=(StreamPair&&) noexcept;
  ~StreamPair();  ///< closes

  /// Before `open`. Errors: kWrongState (it is open already, or was).
  Result<void> set_service_type(ServiceType type);
  /// Before `open`: TLS from the first byte. On an open plain stream (STARTTLS): from now on; read
  /// the peer's consent first, what it sends after that is TLS.
  /// Errors: kInvalidArgument (no name), kNotFound and kTls (ca_file), kWrongState (TLS is on, or
  ///         the stream is not open any more). A failed handshake is kErrorOccurred, with kTls.
  Result<void> use_tls(const TlsOptions& options = {});
  /// For connecting and for each TLS handshake; 30 s unless it is set, before `open`.
  Result<void> set_open_timeout(std::chrono::milliseconds timeout);

  /// Begins. `loop` outlives the open stream.
  /// Errors: kNoHandler, kWrongState (a stream is opened once). What goes wrong later is
  ///         kErrorOccurred: kUnreachable, kTimeout, kClosed, kTls.
  Result<void> open(RunLoop& loop, Handler handler);
  /// Drops what was accepted and is not sent. No handler begins after it.
  void close();

  /// Takes what is there; never waits.
  /// Returns: how many bytes; 0: none now, kHasBytesAvailable will come.
  /// Errors: kClosed (the end), kWrongState (not open yet, or closed), or what broke it; bytes that
  ///         came before that are given first.
  Result<std::size_t> read(void* into, std::size_t size);
  /// Gives bytes to the system; never waits, never raises SIGPIPE (C35).
  /// Returns: how many it took, in order; fewer than `bytes`: kCanAcceptBytes will come.
  /// Errors: kClosed, kWrongState, or what broke it.
  Result<std::size_t> write(std::string_view bytes);

  /// As of now; it may change at any time.
  StreamState state() const;
  /// What broke it, in StreamState::kError.
  std::optional<Error> error() const;
  /// The socket, for its options; -1 while there is none. Reading it is the app's only over a
  /// plain socket of its own.
  int fd() const;
  /// How tagging went; a refusal leaves the stream working, untagged (C4).
  /// Errors: as App::tag; kWrongState (not open, or not for VoIP).
  Result<void> tagged() const;
  /// Whether its bytes would wake the app now (C5).
  bool is_wake_capable() const;

 private:
  explicit StreamPair(std::shared_ptr<app::StreamCore> core);

  std::shared_ptr<app::StreamCore> core_;
};

}  // namespace wakeline
