// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "io/unique_fd.h"
#include "linux/process.h"
#include "linux/socket_end.h"

namespace wakeline::sys {

/// Descriptors of one process that a scan looks at; a program with more holds files, not lines.
inline constexpr std::size_t kScannedFdsMax = 4'096;

/// Numbers of a process's sockets of any family, of its first kScannedFdsMax descriptors.
/// Errors: kNotFound (it has ended), kPermission.
base::Result<std::vector<int>> socket_fds(pid_t pid);

/// A TCP connection found in a process from outside.
struct FoundSocket {
  std::shared_ptr<const Process> process;  ///< that holds it
  int fd = -1;                             ///< its number there
  std::uint64_t cookie = 0;
  std::uint16_t local_port = 0;
  SocketEnd remote;        ///< none while it is being set up
  bool connected = false;  ///< false: it is being set up (SYN sent)
  io::UniqueFd duplicate;  ///< shares options and life with the app's: closed before the app runs
};

struct SocketScan {
  std::vector<FoundSocket> sockets;  ///< of several processes that share one, the first found
  std::vector<pid_t> denied;         ///< processes that may not be looked into
};

/// Finds every TCP connection of **frozen** processes, in /proc/PID/fd. Listeners, closed sockets
/// and other families are left out; a process that has ended too. Reads no data and changes
/// nothing. Costs some 2 µs a descriptor. Errors: kUnsupported (no pidfd_getfd), kOs (no
/// descriptors left).
base::Result<SocketScan> scan_sockets(const std::vector<pid_t>& processes);

/// The ports at which these processes have UDP sockets, each as often as it is found; they may run.
/// What cannot be looked into is left out.
std::vector<std::uint16_t> udp_ports(const std::vector<pid_t>& processes);

/// Turns the kernel's own keep-alive on: a probe after `idle` of silence at the latest, then every
/// `interval`, and after `count` unanswered ones the connection has failed. The one place that
/// changes an option of an app's socket (C39); only on the app's explicit wish (C7). Errors:
/// kInvalidArgument (over what the kernel takes: 32,767 s), kOs.
base::Result<void> set_tcp_keep_alive(int fd, base::Duration idle, base::Duration interval,
                                      int count);

}  // namespace wakeline::sys
