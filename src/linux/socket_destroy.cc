// SPDX-License-Identifier: Apache-2.0
#include "linux/socket_destroy.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "io/netlink.h"
#include "linux/socket_end.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;

}  // namespace

base::Result<SocketEnds> socket_ends(int fd) {
  const auto local = local_end(fd);
  if (!local) return base::fail(local.error());
  SocketEnds ends;
  socklen_t size = sizeof ends.protocol;
  if (::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &ends.protocol, &size) != 0) {
    return base::fail(base::os_error("socket", errno));
  }
  const bool udp = ends.protocol == IPPROTO_UDP;
  if (!udp && ends.protocol != IPPROTO_TCP) return base::fail(ErrorCode::kNotTcp, "socket");
  ends.local = local->address;
  ends.local_port = local->port;
  const auto remote = remote_end(fd);
  if (remote) {
    ends.remote = remote->address;
    ends.remote_port = remote->port;
  } else if (!udp || remote.error().code != ErrorCode::kNotConnected) {
    return base::fail(remote.error());
  }
  size = sizeof ends.device;
  // Kernels before 5.7 cannot tell; then the socket counts as bound to none.
  if (::getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &ends.device, &size) != 0) ends.device = 0;
  return ends;
}

base::Result<void> destroy_socket(const SocketEnds& ends, std::uint64_t cookie) {
  auto query = io::NetlinkQuery::open(NETLINK_SOCK_DIAG);
  if (!query) return base::fail(query.error());
  inet_diag_req_v2 request = {};
  // A connection with IPv4 addresses is found by them, also when its socket is of IPv6.
  request.sdiag_family = ends.local.family;
  request.sdiag_protocol = static_cast<std::uint8_t>(ends.protocol);
  request.idiag_states = ~0U;
  request.id.idiag_sport = htons(ends.local_port);
  request.id.idiag_dport = htons(ends.remote_port);
  request.id.idiag_if = static_cast<std::uint32_t>(ends.device);
  request.id.idiag_cookie[0] = static_cast<std::uint32_t>(cookie);
  request.id.idiag_cookie[1] = static_cast<std::uint32_t>(cookie >> 32);
  std::memcpy(request.id.idiag_src, ends.local.bytes.data(), sizeof request.id.idiag_src);
  std::memcpy(request.id.idiag_dst, ends.remote.bytes.data(), sizeof request.id.idiag_dst);
  const base::BytesView body(reinterpret_cast<const std::uint8_t*>(&request), sizeof request);
  const auto asked = query->ask(SOCK_DESTROY, NLM_F_ACK, body, [](std::uint16_t, auto) {});
  // ESTALE: another socket has these ends by now.
  if (!asked && asked.error().os_error == ESTALE) {
    return base::fail(ErrorCode::kNotFound, "SOCK_DESTROY", ESTALE);
  }
  return asked;
}

}  // namespace wakeline::sys
