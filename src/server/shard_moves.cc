// SPDX-License-Identifier: Apache-2.0
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "server/device_shard.h"

/// The shard with a file table of its own (unshare(2), CLONE_FILES): a limit of open files is one
/// of a table. A socket that another shard accepted comes as a message between the two.
namespace wakeline::server {

using base::LogLevel;

/// What is open in the process by now stays open here: the poller, the ports, the store's files.
void DeviceShard::own_file_table(std::span<const int> of_others) {
  WL_CHECK_MSG(::unshare(CLONE_FILES) == 0, "errno={}", errno);  // MqttFront::create tried it
  for (const int fd : of_others) ::close(fd);
}

/// Sends the sockets that wait, as many as their shards have room for.
void DeviceShard::move_out() {
  while (!moving_.empty()) {
    Moving& next = moving_.front();
    iovec part{.iov_base = &next.id, .iov_len = sizeof next.id};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = next.guest->line.fd();
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    if (::sendmsg(next.home->moved_out_.get(), &message, MSG_NOSIGNAL) < 0) {
      if (errno == EAGAIN || errno == ETOOMANYREFS || errno == ENOBUFS) return;  // in a moment
      base::log(LogLevel::kError, "mqtt", "{}",
                base::to_string(base::os_error("moving a connection", errno)));
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
    std::uint64_t its_id = 0;
    iovec part{.iov_base = &its_id, .iov_len = sizeof its_id};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(moved_in_.get(), &message, MSG_CMSG_CLOEXEC) < 0) return {};
    io::UniqueFd fd;
    if (const cmsghdr* header = CMSG_FIRSTHDR(&message);
        header != nullptr && header->cmsg_type == SCM_RIGHTS) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header), sizeof number);
      fd.reset(number);
    }
    if (its_id == id) return fd;
    moved_.emplace(its_id, std::move(fd));
  }
}

}  // namespace wakeline::server
