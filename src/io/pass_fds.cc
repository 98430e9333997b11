// SPDX-License-Identifier: Apache-2.0
#include "io/pass_fds.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>

#include "base/check.h"

namespace wakeline::io {
namespace {

/// As the kernel aligns it.
struct Control {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kPassedFdsMax)> bytes{};
};

void take_fds(msghdr& header, std::vector<UniqueFd>& fds) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      fds.emplace_back(fd);
    }
  }
}

}  // namespace

int send_with_fds(int socket, base::BytesView message, std::span<const int> fds, int flags) {
  WL_CHECK_MSG(fds.size() <= kPassedFdsMax, "fds={}", fds.size());
  iovec part{const_cast<std::uint8_t*>(message.data()), message.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  Control control;
  if (!fds.empty()) {
    header.msg_control = control.bytes.data();
    header.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* const rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size_bytes());
    memcpy(CMSG_DATA(rights), fds.data(), fds.size_bytes());
  }
  while (true) {
    if (::sendmsg(socket, &header, flags | MSG_NOSIGNAL) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

base::Result<ReceivedWithFds> receive_with_fds(int socket, std::span<std::uint8_t> buffer,
                                               std::size_t fds_max, int flags) {
  WL_CHECK_MSG(fds_max <= kPassedFdsMax, "fds_max={}", fds_max);
  Control control;
  iovec part{buffer.data(), buffer.size()};
  ssize_t size = -1;
  msghdr header{};
  do {
    header = {};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.bytes.data();
    header.msg_controllen = control.bytes.size();
    size = ::recvmsg(socket, &header, flags | MSG_CMSG_CLOEXEC | MSG_TRUNC);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return base::fail(base::os_error("recvmsg", errno));
  ReceivedWithFds received;
  received.size = static_cast<std::size_t>(size);
  take_fds(header, received.fds);
  if ((header.msg_flags & MSG_CTRUNC) != 0 || received.fds.size() > fds_max) {
    received.fds.clear();
    received.fds_lost = true;
  }
  return received;
}

}  // namespace wakeline::io
