// SPDX-License-Identifier: Apache-2.0
#include "linux/pidfd_info.h"

#include <sys/ioctl.h>

#include <cstdint>

namespace wakeline::sys {
namespace {

// Newer than the headers of Debian 12. Source: include/uapi/linux/pidfd.h of Linux 6.15; this is
// the first published size, which later kernels serve too.
struct PidfdInfo {
  std::uint64_t mask;
  std::uint64_t cgroup_id;
  std::uint32_t pid, thread_group, parent;
  std::uint32_t real_user, real_group, effective_user, effective_group;
  std::uint32_t saved_user, saved_group, file_system_user, file_system_group;
  std::int32_t exit_code;
};
static_assert(sizeof(PidfdInfo) == 64);

constexpr std::uint64_t kInfoExit = 1 << 3;
constexpr unsigned long kGetInfo = _IOWR(0xFF, 11, PidfdInfo);

}  // namespace

std::optional<int> exit_status_of_ended(int pidfd) {
  PidfdInfo info{};
  info.mask = kInfoExit;
  if (::ioctl(pidfd, kGetInfo, &info) != 0 || (info.mask & kInfoExit) == 0) return std::nullopt;
  return info.exit_code;
}

}  // namespace wakeline::sys
