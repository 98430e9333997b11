// SPDX-License-Identifier: Apache-2.0
#include "linux/fd_watch.h"

#include <boost/asio/posix/stream_descriptor.hpp>

namespace wakeline::sys {

using Descriptor = boost::asio::posix::stream_descriptor;

struct FdWatch::State : std::enable_shared_from_this<State> {
  State(io::Loop& loop, std::function<void()> handler)
      : descriptor(loop.context()), on_ready(std::move(handler)) {}

  void arm(bool& armed, Descriptor::wait_type direction) {
    if (armed) return;
    armed = true;
    descriptor.async_wait(direction, [self = shared_from_this(), &armed](const auto& error) {
      armed = false;
      if (!error && !self->closed) self->on_ready();
    });
  }

  Descriptor descriptor;
  std::function<void()> on_ready;
  bool reading = false;
  bool writing = false;
  bool closed = false;
};

base::Result<std::unique_ptr<FdWatch>> FdWatch::create(io::Loop& loop, int fd,
                                                       std::function<void()> on_ready) {
  auto state = std::make_shared<State>(loop, std::move(on_ready));
  boost::system::error_code error;
  state->descriptor.assign(fd, error);
  if (error) return base::fail(base::os_error("epoll_ctl", error.value()));
  return std::unique_ptr<FdWatch>(new FdWatch(std::move(state)));
}

FdWatch::~FdWatch() {
  state_->closed = true;
  state_->descriptor.release();  // deregisters; the fd stays open, it is the caller's
}

void FdWatch::arm(bool read, bool write) {
  if (read) state_->arm(state_->reading, Descriptor::wait_read);
  if (write) state_->arm(state_->writing, Descriptor::wait_write);
}

}  // namespace wakeline::sys
