// SPDX-License-Identifier: Apache-2.0
#include "linux/socket_probe.h"

#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string>
#include <string_view>

#include "linux/folders.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;

// Source: include/net/tcp_states.h of Linux, stable since 2.6; <netinet/tcp.h> has the same names
// but cannot be included beside <linux/tcp.h>, which alone has tcpi_bytes_received.
enum TcpState : std::uint8_t {
  kEstablished = 1,
  kSynSent = 2,
  kFinWait1 = 4,
  kFinWait2 = 5,
  kListen = 10
};

base::Result<int> socket_option(int fd, int option) {
  int value = 0;
  socklen_t size = sizeof value;
  if (::getsockopt(fd, SOL_SOCKET, option, &value, &size) != 0) {
    return base::fail(ErrorCode::kNotSocket, "getsockopt", errno);
  }
  return value;
}

base::Result<void> check_tcp(int fd) {
  const auto type = socket_option(fd, SO_TYPE);
  if (!type) return base::fail(type.error());
  const auto protocol = socket_option(fd, SO_PROTOCOL);
  if (!protocol) return base::fail(protocol.error());
  if (*type != SOCK_STREAM || *protocol != IPPROTO_TCP) {
    return base::fail(ErrorCode::kNotTcp, "socket");
  }
  return {};
}

base::Result<tcp_info> read_tcp_info(int fd) {
  tcp_info info = {};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
    const bool other = errno == EOPNOTSUPP || errno == ENOPROTOOPT || errno == EINVAL;
    return base::fail(other ? ErrorCode::kNotTcp : ErrorCode::kNotSocket, "TCP_INFO", errno);
  }
  return info;
}

base::Result<SocketReading> read_udp(int fd) {
  std::uint32_t memory[SK_MEMINFO_VARS] = {};
  socklen_t size = sizeof memory;
  if (::getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &size) != 0) {
    return base::fail(ErrorCode::kNotSocket, "SO_MEMINFO", errno);
  }
  SocketReading reading;
  reading.bytes = std::uint64_t{memory[SK_MEMINFO_RMEM_ALLOC]} + memory[SK_MEMINFO_DROPS];
  // SIOCINQ tells the size of the next datagram, which may be 0. A pending error is to be read too.
  pollfd state{fd, POLLIN, 0};
  reading.unread = ::poll(&state, 1, 0) > 0 ? 1 : 0;
  return reading;
}

}  // namespace

bool is_udp(int fd) {
  const auto domain = socket_option(fd, SO_DOMAIN);
  const auto protocol = socket_option(fd, SO_PROTOCOL);
  return domain && protocol && (*domain == AF_INET || *domain == AF_INET6) &&
         *protocol == IPPROTO_UDP;
}

int option_of(int fd, int option) { return socket_option(fd, option).value_or(-1); }

base::Result<void> check_taggable(int fd, bool udp) {
  if (udp && is_udp(fd)) return {};
  if (const auto tcp = check_tcp(fd); !tcp) return tcp;
  const auto info = read_tcp_info(fd);
  if (!info) return base::fail(info.error());
  if (info->tcpi_state == kListen) return base::fail(ErrorCode::kListening, "socket");
  // An app may have closed its own direction and still wait for data.
  const bool connected = info->tcpi_state == kEstablished || info->tcpi_state == kFinWait1 ||
                         info->tcpi_state == kFinWait2;
  if (!connected) return base::fail(ErrorCode::kNotConnected, "socket");
  return {};
}

base::Result<std::uint64_t> socket_cookie(int fd) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0) {
    return base::fail(ErrorCode::kNotSocket, "SO_COOKIE", errno);
  }
  return cookie;
}

base::Result<SocketReading> read_socket(int fd) {
  const auto info = read_tcp_info(fd);
  if (!info && info.error().code == ErrorCode::kNotTcp && is_udp(fd)) return read_udp(fd);
  if (!info) return base::fail(info.error());
  SocketReading reading;
  reading.bytes = info->tcpi_bytes_received;
  int unread = 0;
  if (::ioctl(fd, SIOCINQ, &unread) == 0) reading.unread = static_cast<std::uint32_t>(unread);
  reading.connecting = info->tcpi_state == kSynSent;
  pollfd state{fd, POLLRDHUP, 0};
  reading.ended = ::poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLRDHUP)) != 0;
  return reading;
}

base::Result<io::UniqueFd> duplicate_fd(int pidfd, int fd) {
  io::UniqueFd duplicate(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd, fd, 0)));
  if (duplicate) return duplicate;
  switch (errno) {
    case EBADF:
    case ESRCH:
      return base::fail(ErrorCode::kNotFound, "pidfd_getfd", errno);
    case ENOSYS:
      return base::fail(ErrorCode::kUnsupported, "pidfd_getfd", errno);
    default:
      return base::fail(base::os_error("pidfd_getfd", errno));
  }
}

base::Result<io::UniqueFd> duplicate_socket(int pidfd, int fd, std::uint64_t cookie) {
  auto duplicate = duplicate_fd(pidfd, fd);
  if (!duplicate) return duplicate;
  const auto found = socket_cookie(duplicate->get());
  if (!found || *found != cookie) return base::fail(ErrorCode::kNotFound, "socket");
  return duplicate;
}

base::Result<void> check_owned(int pidfd, int fd, std::uint64_t cookie) {
  const auto duplicate = duplicate_socket(pidfd, fd, cookie);
  if (duplicate) return {};
  if (duplicate.error().code == ErrorCode::kNotFound) {
    return base::fail(ErrorCode::kNotOwned, "socket", duplicate.error().os_error);
  }
  return base::fail(duplicate.error());
}

base::Result<std::vector<int>> io_uring_fds(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/fd";
  const OpenFolder folder(::opendir(path.c_str()));
  if (!folder) return base::fail(base::os_error("/proc/PID/fd", errno));
  std::vector<int> list;
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    int fd = -1;
    std::from_chars(name.data(), name.data() + name.size(), fd);
    if (fd < 0) continue;
    char target[64];
    const ssize_t size = ::readlinkat(::dirfd(folder.get()), entry->d_name, target, sizeof target);
    if (size > 0 &&
        std::string_view(target, static_cast<std::size_t>(size)) == "anon_inode:[io_uring]") {
      list.push_back(fd);
    }
  }
  return list;
}

}  // namespace wakeline::sys
