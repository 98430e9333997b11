// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sched.h>

#include <cerrno>
#include <span>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "io/pass_fds.h"
#include "server/device_shard.h"

/// The shard with a file table of its own (unshare(2), CLONE_FILES): a limit of open files is one
/// of a table. A socket that another shard accepted, or that another process had, comes as a
/// message; at an upgrade its own go the other way.
namespace wakeline::server {

using base::LogLevel;

namespace {

/// Of an upgrade: for a thread that has nothing else to do.
constexpr int kPatienceMs = 60'000;
constexpr int kSocketAgainMs = 2;  ///< when the kernel holds too many that are under way
/// Ids of sockets that no shard sent: those carry the number of theirs there.
constexpr std::uint64_t kFromOutside = std::uint64_t{0xFFFF} << 48;

/// Whether there is room in a moment.
bool is_full(int error) { return error == EAGAIN || error == ETOOMANYREFS || error == ENOBUFS; }

/// The id and the socket in one message. Returns: 0, or errno.
int send_socket(int channel, std::uint64_t id, int fd) {
  return io::send_with_fds(channel, {reinterpret_cast<const std::uint8_t*>(&id), sizeof id},
                           std::span<const int>(&fd, 1));
}

/// As send_socket, for whom it may take its time.
int send_socket_patiently(int channel, std::uint64_t id, int fd) {
  for (int waited = 0; waited < kPatienceMs; waited += kSocketAgainMs) {
    const int error = send_socket(channel, id, fd);
    if (!is_full(error)) return error;
    // It is writable while ETOOMANYREFS holds: then the time is what is waited for.
    pollfd room{channel, static_cast<short>(error == EAGAIN ? POLLOUT : 0), 0};
    static_cast<void>(::poll(&room, 1, kSocketAgainMs));
  }
  return EAGAIN;
}

struct Received {
  std::uint64_t id = 0;
  io::UniqueFd fd;  ///< none: it did not fit into this table
};

/// Errors: kOs, with EAGAIN when nothing is there; kClosed.
base::Result<Received> receive_socket(int channel) {
  Received received;
  auto got = io::receive_with_fds(
      channel, {reinterpret_cast<std::uint8_t*>(&received.id), sizeof received.id}, 1);
  if (!got) return base::fail(base::os_error("moved.receive", got.error().os_error));
  if (got->size == 0) return base::fail(base::ErrorCode::kClosed, "moved.receive");
  WL_CHECK_MSG(got->size == sizeof received.id, "size={}", got->size);  // of our own shards
  if (!got->fds.empty()) received.fd = std::move(got->fds.front());
  return received;
}

}  // namespace

/// What is open in the process by now stays open here: the poller, the ports, the store's files.
void DeviceShard::own_file_table() {
  WL_CHECK_MSG(::unshare(CLONE_FILES) == 0, "errno={}", errno);  // MqttFront::create tried it
}

base::Result<void> DeviceShard::take_over(FrozenDevice device) {
  std::uint64_t id = 0;
  if (common_->limits.file_tables && device.line.fd) {
    id = kFromOutside | ++last_taken_;
    if (const int error = send_socket_patiently(moved_out_.get(), id, device.line.fd.get());
        error != 0) {
      if (error == EAGAIN) return base::fail(base::ErrorCode::kTimeout, "upgrade.line");
      return base::fail(base::os_error("upgrade.line", error));
    }
    device.line.fd.reset();
  }
  // A task must be copyable.
  auto kept = std::make_shared<FrozenDevice>(std::move(device));
  poller_->post([this, id, kept] {
    if (id != 0) kept->line.fd = receive_moved(id);
    if (id != 0 && !kept->line.fd)
      base::log(LogLevel::kWarning, "mqtt", "{}: no descriptor for its connection", kept->name);
    thaw(std::move(*kept));
  });
  return {};
}

void DeviceShard::send_lines() {
  fetched_ = 0;
  poller_->post([this, round = ++round_] {
    for (const io::UniqueFd& line : frozen_lines_) {
      if (const int error = send_socket_patiently(moved_in_.get(), round, line.get()); error != 0)
        return base::log(LogLevel::kError, "mqtt", "{}",
                         base::to_string(base::os_error("handing a line over", error)));
    }
  });
}

base::Result<io::UniqueFd> DeviceShard::fetch_line() {
  if (fetched_ >= sendable_) return base::fail(base::ErrorCode::kClosed, "upgrade.line");
  for (;;) {
    pollfd there{moved_out_.get(), POLLIN, 0};
    if (::poll(&there, 1, kPatienceMs) <= 0)
      return base::fail(base::ErrorCode::kTimeout, "upgrade.line");
    auto received = receive_socket(moved_out_.get());
    if (!received) return base::fail(received.error());
    if (received->id != round_) continue;  // of a handover that failed
    ++fetched_;
    return std::move(received->fd);
  }
}

/// Sends the sockets that wait, as many as their shards have room for.
void DeviceShard::move_out() {
  while (!moving_.empty()) {
    Moving& next = moving_.front();
    const int error = send_socket(next.home->moved_out_.get(), next.id, next.guest->line.fd());
    if (is_full(error)) return;  // in a moment
    if (error != 0) {
      base::log(LogLevel::kError, "mqtt", "{}",
                base::to_string(base::os_error("moving a connection", error)));
      --common_->connections;
      moving_.pop_front();
      continue;
    }
    next.guest->line.close_descriptor();
    // A task must be copyable.
    auto moved = std::make_shared<std::unique_ptr<Guest>>(std::move(next.guest));
    next.home->poller_->post(
        [home = next.home, id = next.id, moved] { home->take_in_moved(id, std::move(*moved)); });
    moving_.pop_front();
  }
}

void DeviceShard::take_in_moved(std::uint64_t id, std::unique_ptr<Guest> guest) {
  io::UniqueFd fd = receive_moved(id);
  if (!fd) {  // this table is full
    base::log(LogLevel::kWarning, "mqtt", "{}: no descriptor for its connection",
              guest->arrival->row.name);
    --common_->connections;
    return;
  }
  guest->line.rebind(std::move(fd));
  adopt(std::move(guest->line), *guest->arrival);
}

/// The socket of that number; it was sent before its guest, maybe behind others. None: it did not
/// fit into this table.
io::UniqueFd DeviceShard::receive_moved(std::uint64_t id) {
  if (const auto known = moved_.find(id); known != moved_.end()) {
    io::UniqueFd fd = std::move(known->second);
    moved_.erase(known);
    return fd;
  }
  for (;;) {
    auto next = receive_socket(moved_in_.get());
    if (!next) return {};
    if (next->id == id) return std::move(next->fd);
    moved_.emplace(next->id, std::move(next->fd));
  }
}

}  // namespace wakeline::server
