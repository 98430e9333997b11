// SPDX-License-Identifier: Apache-2.0
#include "linux/bus.h"

#include <poll.h>

#include <cerrno>
#include <utility>

namespace wakeline::sys {
namespace {

// Messages handled in one turn of the loop, so that a chatty bus does not hold up a wake.
constexpr int kMessagesPerTurn = 64;

}  // namespace

base::Error bus_error(const char* where, int negative_errno) {
  // ENOMEDIUM: the environment names no bus.
  if (negative_errno == -ENOMEDIUM) {
    return {base::ErrorCode::kNotFound, where, -negative_errno};
  }
  return base::os_error(where, -negative_errno);
}

namespace {

// `open_default`: what to call where no address is given.
base::Result<BusHandle> open_at(const std::string& address, int (*open_default)(sd_bus**)) {
  sd_bus* raw = nullptr;
  if (address.empty()) {
    const int error = open_default(&raw);
    if (error < 0) return base::fail(bus_error("bus", error));
    return BusHandle(raw);
  }
  int error = ::sd_bus_new(&raw);
  if (error < 0) return base::fail(bus_error("bus", error));
  BusHandle handle(raw);
  error = ::sd_bus_set_address(raw, address.c_str());
  if (error >= 0) error = ::sd_bus_set_bus_client(raw, 1);
  if (error >= 0) error = ::sd_bus_start(raw);
  if (error < 0) return base::fail(bus_error("bus", error));
  return handle;
}

}  // namespace

base::Result<BusHandle> open_bus(const std::string& address) {
  return open_at(address, ::sd_bus_open_user);
}

base::Result<BusHandle> open_system_bus(const std::string& address) {
  return open_at(address, ::sd_bus_open_system);
}

base::Result<std::unique_ptr<Bus>> Bus::open(io::Loop& loop, const std::string& address,
                                             std::function<void(base::Error)> on_lost) {
  return attach(loop, open_bus(address), std::move(on_lost));
}

base::Result<std::unique_ptr<Bus>> Bus::open_system(io::Loop& loop, const std::string& address,
                                                    std::function<void(base::Error)> on_lost) {
  return attach(loop, open_system_bus(address), std::move(on_lost));
}

base::Result<std::unique_ptr<Bus>> Bus::attach(io::Loop& loop, base::Result<BusHandle> handle,
                                               std::function<void(base::Error)> on_lost) {
  if (!handle) return base::fail(handle.error());
  const int fd = ::sd_bus_get_fd(handle->get());
  if (fd < 0) return base::fail(bus_error("bus", fd));
  std::unique_ptr<Bus> bus(new Bus(loop, std::move(*handle), std::move(on_lost)));
  auto watch = FdWatch::create(loop, fd, [self = bus.get()] { self->pump(); });
  if (!watch) return base::fail(watch.error());
  bus->watch_ = std::move(*watch);
  bus->pump();
  return bus;
}

void Bus::pump_later() {
  loop_.post([this, alive = std::weak_ptr<int>(alive_)] {
    if (!alive.expired()) pump();
  });
}

void Bus::pump() {
  if (pumping_) return;  // called by a handler of a message: the turn goes on after it
  pumping_ = true;
  const std::weak_ptr<int> alive = alive_;
  int result = 1;
  for (int i = 0; i < kMessagesPerTurn && result > 0; ++i) {
    result = ::sd_bus_process(native(), nullptr);
    if (alive.expired()) return;
  }
  pumping_ = false;
  if (result > 0) return pump_later();
  const int events = result < 0 ? result : ::sd_bus_get_events(native());
  if (events < 0) {
    const auto lost = std::exchange(on_lost_, nullptr);
    if (lost) lost(bus_error("bus", events));
    return;
  }
  watch_->arm((events & POLLIN) != 0, (events & POLLOUT) != 0);
}

}  // namespace wakeline::sys
