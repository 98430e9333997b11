// SPDX-License-Identifier: Apache-2.0
#include "linux/socket_end.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

namespace wakeline::sys {
namespace {

using base::ErrorCode;

base::Result<SocketEnd> end_of(int fd, int (*read)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage storage = {};
  socklen_t size = sizeof storage;
  if (read(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    const auto code = errno == ENOTCONN ? ErrorCode::kNotConnected : ErrorCode::kNotSocket;
    return base::fail(code, "socket", errno);
  }
  const auto ip = [](const auto& part) {
    return ip_address(reinterpret_cast<const std::uint8_t*>(&part), sizeof part);
  };
  if (storage.ss_family == AF_INET) {
    const auto& address = reinterpret_cast<const sockaddr_in&>(storage);
    return SocketEnd{ip(address.sin_addr), ntohs(address.sin_port)};
  }
  if (storage.ss_family == AF_INET6) {
    const auto& address = reinterpret_cast<const sockaddr_in6&>(storage);
    return SocketEnd{ip(address.sin6_addr), ntohs(address.sin6_port)};
  }
  return base::fail(ErrorCode::kNotTcp, "socket");
}

}  // namespace

std::string to_string(const SocketEnd& end) {
  if (end.address.family == 0) return {};
  const std::string address = to_string(end.address);
  return end.address.family == AF_INET6 ? fmt::format("[{}]:{}", address, end.port)
                                        : fmt::format("{}:{}", address, end.port);
}

base::Result<SocketEnd> local_end(int fd) { return end_of(fd, ::getsockname); }
base::Result<SocketEnd> remote_end(int fd) { return end_of(fd, ::getpeername); }

}  // namespace wakeline::sys
