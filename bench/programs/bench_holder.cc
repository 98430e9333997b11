// SPDX-License-Identifier: Apache-2.0
// The floor of a server that holds sleeping devices: a bare epoll loop with 16 B for a socket. It
// says yes to every CONNECT and SUBSCRIBE and answers pings; it knows nobody, keeps nothing and
// delivers nothing. Writes its port to standard output.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <vector>

namespace {

struct Held {
  int fd = -1;
  std::uint32_t packets = 0;
  std::uint64_t seen = 0;
};

constexpr std::uint8_t kConnack[] = {0x20, 3, 0, 0, 0};
constexpr std::uint8_t kPingresp[] = {0xD0, 0};

/// Answers the whole packets of a block; a client of the benchmark never sends a part of one.
bool answer(int fd, const std::uint8_t* bytes, ssize_t size) {
  ssize_t at = 0;
  while (at + 2 <= size) {
    ssize_t length = bytes[at + 1] & 0x7F;
    ssize_t header = 2;
    if ((bytes[at + 1] & 0x80) != 0) {
      length |= static_cast<ssize_t>(bytes[at + 2] & 0x7F) << 7;
      header = 3;
    }
    const std::uint8_t type = bytes[at] >> 4;
    ssize_t sent = 0;
    if (type == 1) {
      sent = ::send(fd, kConnack, sizeof kConnack, MSG_NOSIGNAL);
    } else if (type == 8) {
      const std::uint8_t suback[] = {0x90, 4, bytes[at + header], bytes[at + header + 1], 0, 1};
      sent = ::send(fd, suback, sizeof suback, MSG_NOSIGNAL);
    } else if (type == 12) {
      sent = ::send(fd, kPingresp, sizeof kPingresp, MSG_NOSIGNAL);
    }
    if (sent < 0) return false;
    at += header + length;
  }
  return true;
}

}  // namespace

int main() {
  const int door = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  if (door < 0 || ::bind(door, reinterpret_cast<sockaddr*>(&at), size) != 0 ||
      ::listen(door, SOMAXCONN) != 0 ||
      ::getsockname(door, reinterpret_cast<sockaddr*>(&at), &size) != 0) {
    std::perror("bench-holder");
    return 1;
  }
  std::printf("%u\n", ntohs(at.sin_port));
  std::fflush(stdout);
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{.events = EPOLLIN, .data = {.u64 = ~std::uint64_t{0}}};
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, door, &event);
  std::vector<Held> held(65'536);
  std::vector<epoll_event> events(512);
  std::vector<std::uint8_t> block(16'384);
  for (;;) {
    const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const std::uint64_t key = events[static_cast<std::size_t>(i)].data.u64;
      if (key == ~std::uint64_t{0}) {
        for (;;) {
          const int fd = ::accept4(door, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
          if (fd < 0) break;
          const int on = 1;
          ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
          held[static_cast<std::size_t>(fd)] = {.fd = fd};
          epoll_event more{.events = EPOLLIN, .data = {.u64 = static_cast<std::uint64_t>(fd)}};
          ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &more);
        }
        continue;
      }
      Held& one = held[key];
      const ssize_t got = ::recv(one.fd, block.data(), block.size(), 0);
      if (got <= 0 || !answer(one.fd, block.data(), got)) {
        ::close(one.fd);
        one.fd = -1;
        continue;
      }
      ++one.packets;
    }
  }
}
