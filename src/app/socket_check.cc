// SPDX-License-Identifier: Apache-2.0
#include "app/socket_check.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

namespace wakeline::app {
namespace {

int int_option(int fd, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

}  // namespace

std::uint64_t socket_cookie(int fd) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  return ::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

base::Result<std::uint64_t> check_socket(int fd, bool udp_may_do) {
  constexpr const char* kWhere = "tag";
  const int domain = int_option(fd, SO_DOMAIN);
  if (domain < 0) return base::fail(base::ErrorCode::kNotSocket, kWhere, errno);
  const int protocol = int_option(fd, SO_PROTOCOL);
  const bool internet = domain == AF_INET || domain == AF_INET6;
  const bool udp = internet && protocol == IPPROTO_UDP;
  if (!(internet && protocol == IPPROTO_TCP) && !(udp && udp_may_do)) {
    return base::fail(base::ErrorCode::kNotTcp, kWhere);
  }
  if (int_option(fd, SO_ACCEPTCONN) == 1) return base::fail(base::ErrorCode::kListening, kWhere);
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  if (!udp && ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) {
    return base::fail(base::ErrorCode::kNotConnected, kWhere, errno);
  }
  return socket_cookie(fd);
}

LineState line_state(int fd) {
  pollfd asked{fd, 0, 0};
  LineState state;
  state.ended = ::poll(&asked, 1, 0) == 1 && (asked.revents & (POLLERR | POLLHUP)) != 0;
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0)
    state.resending = info.tcpi_retransmits > 0 && info.tcpi_unacked > 0;
  return state;
}

}  // namespace wakeline::app
