// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/loop.h"
#include "io/pass_fds.h"
#include "io/unique_fd.h"

namespace wakeline::io {

/// The process at the other end of a Unix socket, as the kernel tells it (SO_PEERCRED, at connect
/// time).
struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

/// A connected SOCK_SEQPACKET Unix socket: whole messages, descriptors beside them.
class Seqpacket {
 public:
  using OnMessage = std::function<void(std::string_view, std::vector<UniqueFd>)>;
  using OnEnd = std::function<void(base::Error)>;
  /// Beside one message; more are closed and the connection ends.
  static constexpr std::size_t kFdsMax = kPassedFdsMax;

  virtual ~Seqpacket() = default;
  /// Messages over `message_max` end the connection with kTooLarge. Either handler may destroy the
  /// object.
  virtual void start(std::size_t message_max, OnMessage on_message, OnEnd on_end) = 0;
  /// Queues one message; the fd, if any, is duplicated by the kernel and stays the caller's. At
  /// most 1,024 messages wait, then the connection ends with kTooLarge: a reader that is suspended
  /// must not cost us memory.
  virtual void send(std::string message, int fd = -1) = 0;
  virtual const PeerCredentials& peer() const = 0;
  /// Whether something of the peer lies there that was not read yet.
  virtual bool unread() const = 0;
  /// Off: what comes stays in the kernel, and a peer that sends on is blocked by its full socket.
  /// On at first. May be called in a handler.
  virtual void set_reading(bool on) = 0;
  /// From now on nothing is read while messages wait to be sent, so that a peer that asks faster
  /// than it takes the answers waits, and is not ended. For one end only: two that hold each other
  /// wait for ever.
  virtual void hold_reading_while_sending() = 0;
};

/// Errors: kNotFound (no such path), kUnreachable (nobody listens), kPermission.
base::Result<std::unique_ptr<Seqpacket>> connect_seqpacket(Loop& loop, const std::string& path);

class SeqpacketListener {
 public:
  using OnAccept = std::function<void(std::unique_ptr<Seqpacket>)>;
  /// Makes the socket file with mode 0600; replaces one that nobody listens on. Errors:
  /// kAddressInUse (somebody listens), kPermission, kTooLarge (path).
  static base::Result<std::unique_ptr<SeqpacketListener>> open(Loop& loop, const std::string& path,
                                                               OnAccept on_accept);
  virtual ~SeqpacketListener() = default;  ///< removes the file
};

}  // namespace wakeline::io
