// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "linux/network_facts.h"

namespace wakeline::sys {

/// One end of a TCP or UDP socket; no family: there is none. 20 bytes: the host keeps one for each
/// tagged socket.
struct SocketEnd {
  IpAddress address;
  std::uint16_t port = 0;
  friend bool operator==(const SocketEnd&, const SocketEnd&) = default;
};
/// "192.0.2.1:5060", "[2001:db8::1]:5060"; empty for none.
std::string to_string(const SocketEnd& end);

/// The socket's own end. Errors: kNotSocket, kNotTcp (of another family).
base::Result<SocketEnd> local_end(int fd);
/// The peer's end. Errors: as local_end; kNotConnected.
base::Result<SocketEnd> remote_end(int fd);

}  // namespace wakeline::sys
