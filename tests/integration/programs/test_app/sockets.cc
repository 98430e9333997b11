// SPDX-License-Identifier: Apache-2.0
#include "sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace wakeline::test_app {
namespace {

int connect_unix(const char* path, int type) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

}  // namespace

int connect_tcp(const char* from) {
  const char* port = std::getenv("WAKELINE_TEST_PORT");
  if (port == nullptr) return -1;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (from != nullptr) {
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_addr.s_addr = inet_addr(from);
    if (bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0) std::perror("bind");
  }
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

int connect_local(const std::string& path) { return connect_unix(path.c_str(), SOCK_STREAM); }

int connect_host() {
  const char* path = std::getenv("WAKELINE_HOST");
  return path == nullptr ? -1 : connect_unix(path, SOCK_SEQPACKET);
}

bool send_datagram(int fd, const std::string& text, const std::vector<int>& passed) {
  iovec part{const_cast<char*>(text.data()), text.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  const std::size_t bytes = sizeof(int) * passed.size();
  std::vector<char> space(CMSG_SPACE(bytes));
  if (!passed.empty()) {
    header.msg_control = space.data();
    header.msg_controllen = space.size();
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(bytes);
    std::memcpy(CMSG_DATA(rights), passed.data(), bytes);
  }
  return sendmsg(fd, &header, MSG_NOSIGNAL) >= 0;
}

void Line::write_line(const std::string& text) const {
  const std::string out = text + "\n";
  if (fd >= 0 && send(fd, out.data(), out.size(), MSG_NOSIGNAL) < 0) std::perror("send");
}

}  // namespace wakeline::test_app
