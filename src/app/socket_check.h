// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/error.h"

namespace wakeline::app {

/// What of C4 a process can see by itself, before it asks the host. `udp_may_do`: a UDP socket
/// passes, for the host decides about it.
/// Returns: the socket's cookie, which no other socket of this boot has: descriptor numbers are
///          used again, cookies are not.
/// Errors: kNotSocket (also a closed descriptor), kNotTcp, kListening, kNotConnected.
base::Result<std::uint64_t> check_socket(int fd, bool udp_may_do);

/// The cookie of what `fd` is now; 0 for no socket.
std::uint64_t socket_cookie(int fd);

/// What the kernel knows of a connected TCP socket, without a byte being sent.
struct LineState {
  bool ended = false;      ///< an error waits, or both sides are closed
  bool resending = false;  ///< our bytes were sent again and are not acknowledged yet
};
LineState line_state(int fd);

}  // namespace wakeline::app
