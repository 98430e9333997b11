// SPDX-License-Identifier: Apache-2.0
#include "linux/socket_scan.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <set>
#include <string_view>

#include "io/keep_alive.h"
#include "linux/folders.h"
#include "linux/proc.h"
#include "linux/socket_probe.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;

/// Fills in what the duplicate says. False: no connection of TCP.
bool describe(FoundSocket& found) {
  const int fd = found.duplicate.get();
  const int family = option_of(fd, SO_DOMAIN);
  if ((family != AF_INET && family != AF_INET6) || option_of(fd, SO_TYPE) != SOCK_STREAM ||
      option_of(fd, SO_PROTOCOL) != IPPROTO_TCP) {
    return false;
  }
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;
  // An app may have closed its own direction and still wait for data; a peer that has closed is an
  // end that the app must hear of.
  const bool connected = info.tcpi_state == TCP_ESTABLISHED || info.tcpi_state == TCP_FIN_WAIT1 ||
                         info.tcpi_state == TCP_FIN_WAIT2 || info.tcpi_state == TCP_CLOSE_WAIT;
  if (!connected && info.tcpi_state != TCP_SYN_SENT) return false;
  found.connected = connected;
  const auto local = local_end(fd);
  if (!local) return false;
  found.local_port = local->port;
  // A connection that is being set up has a peer for nobody but the kernel.
  found.remote = remote_end(fd).value_or(SocketEnd{});
  const auto cookie = socket_cookie(fd);
  if (!cookie) return false;
  found.cookie = *cookie;
  return true;
}

}  // namespace

base::Result<std::vector<int>> socket_fds(pid_t pid) {
  const std::string path = fmt::format("/proc/{}/fd", pid);
  const OpenFolder folder(::opendir(path.c_str()));
  if (!folder) return base::fail(base::os_error("/proc/PID/fd", errno));
  std::vector<int> list;
  std::size_t looked_at = 0;
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    int fd = -1;
    std::from_chars(name.data(), name.data() + name.size(), fd);
    if (fd < 0) continue;
    if (++looked_at > kScannedFdsMax) break;
    std::array<char, 64> target;
    const ssize_t size =
        ::readlinkat(::dirfd(folder.get()), entry->d_name, target.data(), target.size());
    if (size > 0 &&
        std::string_view(target.data(), static_cast<std::size_t>(size)).starts_with("socket:[")) {
      list.push_back(fd);
    }
  }
  return list;
}

base::Result<SocketScan> scan_sockets(const std::vector<pid_t>& processes) {
  SocketScan scan;
  std::set<std::uint64_t> seen;
  for (const pid_t pid : processes) {
    const auto stat = read_proc_stat(pid);
    if (!stat) continue;
    auto opened = open_pidfd(stat->key);
    if (!opened) continue;
    const auto process = std::make_shared<const Process>(Process{pid, std::move(*opened)});
    const auto fds = socket_fds(pid);
    if (!fds) {
      if (fds.error().code == ErrorCode::kPermission) scan.denied.push_back(pid);
      continue;
    }
    for (const int fd : *fds) {
      auto duplicate = duplicate_fd(process->pidfd.get(), fd);
      if (!duplicate) {
        const ErrorCode code = duplicate.error().code;
        if (code == ErrorCode::kNotFound) continue;
        if (code != ErrorCode::kPermission) return base::fail(duplicate.error());
        scan.denied.push_back(pid);
        break;
      }
      FoundSocket found;
      found.process = process;
      found.fd = fd;
      found.duplicate = std::move(*duplicate);
      if (describe(found) && seen.insert(found.cookie).second) {
        scan.sockets.push_back(std::move(found));
      }
    }
  }
  return scan;
}

std::vector<std::uint16_t> udp_ports(const std::vector<pid_t>& processes) {
  std::vector<std::uint16_t> ports;
  for (const pid_t pid : processes) {
    const auto stat = read_proc_stat(pid);
    if (!stat) continue;
    const auto pidfd = open_pidfd(stat->key);
    const auto fds = socket_fds(pid);
    if (!pidfd || !fds) continue;
    for (const int fd : *fds) {
      const auto duplicate = duplicate_fd(pidfd->get(), fd);
      if (!duplicate || !is_udp(duplicate->get())) continue;
      const auto local = local_end(duplicate->get());
      if (local && local->port != 0) ports.push_back(local->port);
    }
  }
  return ports;
}

base::Result<void> set_tcp_keep_alive(int fd, base::Duration idle, base::Duration interval,
                                      int count) {
  const auto seconds = [](base::Duration span) {
    return static_cast<int>(std::chrono::ceil<std::chrono::seconds>(span).count());
  };
  const struct {
    int level, option, value;
  } options[] = {{IPPROTO_TCP, TCP_KEEPIDLE, io::keep_idle_seconds(idle)},
                 {IPPROTO_TCP, TCP_KEEPINTVL, seconds(interval)},
                 {IPPROTO_TCP, TCP_KEEPCNT, count},
                 {SOL_SOCKET, SO_KEEPALIVE, 1}};
  for (const auto& [level, option, value] : options) {
    if (::setsockopt(fd, level, option, &value, sizeof value) == 0) continue;
    if (errno == EINVAL) return base::fail(ErrorCode::kInvalidArgument, "keep-alive", errno);
    return base::fail(base::os_error("keep-alive", errno));
  }
  return {};
}

}  // namespace wakeline::sys
