// SPDX-License-Identifier: Apache-2.0
#include "io/event_fd.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace wakeline::io {

base::Result<EventFd> EventFd::create() {
  UniqueFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) return base::fail(base::os_error("eventfd", errno));
  return EventFd(std::move(fd));
}

void EventFd::signal() const {
  const int saved = errno;
  const std::uint64_t one = 1;
  // It fails only when the counter is full, and then the descriptor is readable as it should be.
  [[maybe_unused]] const ssize_t written = ::write(fd_.get(), &one, sizeof one);
  errno = saved;
}

void EventFd::clear() const {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(fd_.get(), &count, sizeof count);
}

}  // namespace wakeline::io
