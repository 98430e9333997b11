// SPDX-License-Identifier: Apache-2.0
#include "linux/process_limits.h"

#include <sys/resource.h>

#include <cerrno>

namespace wakeline::sys {
namespace {

constexpr int kHostNice = -10;

}  // namespace

Limits current_limits() {
  Limits limits;
  limits.nice = ::getpriority(PRIO_PROCESS, 0);
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) limits.files = files.rlim_cur;
  return limits;
}

void set_limits(const Limits& limits) {
  ::setpriority(PRIO_PROCESS, 0, limits.nice);
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = limits.files;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

base::Result<void> raise_priority() {
  if (::getpriority(PRIO_PROCESS, 0) <= kHostNice) return {};
  if (::setpriority(PRIO_PROCESS, 0, kHostNice) != 0) {
    return base::fail(base::os_error("setpriority", errno));
  }
  return {};
}

base::Result<std::uint64_t> raise_file_limit() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) {
    return base::fail(base::os_error("getrlimit", errno));
  }
  files.rlim_cur = files.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &files) != 0) {
    return base::fail(base::os_error("setrlimit", errno));
  }
  return files.rlim_cur;
}

}  // namespace wakeline::sys
