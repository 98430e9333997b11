// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "base/error.h"
#include "io/unique_fd.h"

namespace wakeline::sys {

/// What can be told of a socket without touching it: nothing here reads data, takes the pending
/// error away (getsockopt SO_ERROR would) or changes an option (C7).
struct SocketReading {
  /// TCP: received in its life (tcpi_bytes_received); never falls. UDP has no such counter: what
  /// its queue takes and what it dropped, which rises with each datagram while nobody reads.
  std::uint64_t bytes = 0;
  std::uint32_t unread = 0;  ///< in the receive queue (SIOCINQ)
  /// FIN or reset is pending or past; UDP never ends. What only lies in the error queue, as reports
  /// of MSG_ZEROCOPY do, is no end.
  bool ended = false;
  bool connecting = false;  ///< TCP: SYN sent, no answer yet
  friend bool operator==(const SocketReading&, const SocketReading&) = default;
};

/// Whether the descriptor can be tagged (C4). `udp`: a UDP socket may be, connected or not.
/// Errors: kNotSocket (also a closed fd), kNotTcp, kListening, kNotConnected.
base::Result<void> check_taggable(int fd, bool udp = false);

bool is_udp(int fd);

/// A number of the level SOL_SOCKET; -1 where it cannot be read.
int option_of(int fd, int option);

/// The kernel's name of a socket: the same for all its duplicates, never used again.
/// Errors: kNotSocket.
base::Result<std::uint64_t> socket_cookie(int fd);

/// Errors: kNotSocket, kNotTcp (neither TCP nor UDP).
base::Result<SocketReading> read_socket(int fd);

/// Duplicates a descriptor of another process (pidfd_getfd).
/// Errors: kNotFound (closed there, or the process ended), kPermission (another user, not dumpable,
///         Yama), kUnsupported (kernel before 5.6), kOs.
base::Result<io::UniqueFd> duplicate_fd(int pidfd, int fd);

/// Duplicates the socket that was tagged, if number `fd` still is that socket (C5).
/// Errors: as duplicate_fd; kNotFound also when the number is another socket now.
base::Result<io::UniqueFd> duplicate_socket(int pidfd, int fd, std::uint64_t cookie);

/// Whether the process holds the socket as `fd`: an app tags its own sockets alone.
/// Errors: kNotOwned; kPermission, kUnsupported as duplicate_fd.
base::Result<void> check_owned(int pidfd, int fd, std::uint64_t cookie);

/// Numbers of the process's io_uring descriptors. A frozen task still runs their completions, and
/// then the data is gone from the socket: whoever watches its sockets watches these too (measured:
/// 415 of 500 wakes lost without). Errors: kNotFound, kPermission.
base::Result<std::vector<int>> io_uring_fds(pid_t pid);

}  // namespace wakeline::sys
