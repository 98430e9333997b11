// SPDX-License-Identifier: Apache-2.0
#include "io/slice.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>

namespace wakeline::io {
namespace {

// As in sched_setattr(2), first version; glibc has it since 2.41, and <linux/sched/types.h> is not
// to be included beside <sched.h>.
struct Attributes {
  std::uint32_t size = sizeof(Attributes);
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime_ns = 0;
  std::uint64_t deadline_ns = 0;
  std::uint64_t period_ns = 0;
};
static_assert(sizeof(Attributes) == 48);

bool read(Attributes& now) noexcept {
  if (::syscall(SYS_sched_getattr, 0, &now, sizeof now, 0) != 0) return false;
  now.size = sizeof now;
  return true;
}

bool fair(const Attributes& of) { return of.policy == SCHED_OTHER || of.policy == SCHED_BATCH; }

}  // namespace

base::Duration scheduler_slice() noexcept {
  Attributes now;
  if (!read(now) || !fair(now)) return base::Duration::zero();
  return std::chrono::nanoseconds(now.runtime_ns);
}

bool set_scheduler_slice(base::Duration slice) noexcept {
  Attributes wanted;
  if (!read(wanted)) return false;
  if (!fair(wanted)) return true;
  wanted.runtime_ns = static_cast<std::uint64_t>(std::chrono::nanoseconds(slice).count());
  return ::syscall(SYS_sched_setattr, 0, &wanted, 0) == 0;
}

}  // namespace wakeline::io
