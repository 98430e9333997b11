// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "io/unique_fd.h"

/// Descriptors beside a message of a Unix socket (SCM_RIGHTS).
namespace wakeline::io {

/// Beside one message.
inline constexpr std::size_t kPassedFdsMax = 4;

/// Sends one message with at most kPassedFdsMax descriptors, which stay the caller's. `flags` are
/// those of sendmsg(2); no signal is raised. Returns: 0, or its errno, which is never EINTR.
int send_with_fds(int socket, base::BytesView message, std::span<const int> fds, int flags = 0);

struct ReceivedWithFds {
  /// Of the whole message; more than the buffer: the rest of it is gone. 0: the end, or an empty
  /// message.
  std::size_t size = 0;
  std::vector<UniqueFd> fds;  ///< closed on exec
  /// More than were wanted, or this process may open no more: every one was closed.
  bool fds_lost = false;
};
/// Receives one message of a socket of kind SEQPACKET or DGRAM, with at most `fds_max` descriptors,
/// which is at most kPassedFdsMax. `flags` are those of recvmsg(2).
/// Errors: kOs and others by errno, EAGAIN among them where the socket does not wait.
base::Result<ReceivedWithFds> receive_with_fds(int socket, std::span<std::uint8_t> buffer,
                                               std::size_t fds_max, int flags = 0);

}  // namespace wakeline::io
