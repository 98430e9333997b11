// SPDX-License-Identifier: Apache-2.0
// The floor of a server that holds sleeping devices: a bare epoll loop with 16 B for a socket. It
// says yes to every CONNECT and SUBSCRIBE, answers pings, and hands a PUBLISH as it came to whoever
// subscribed to its topic; it checks nothing and keeps nothing. Writes its port to standard output.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

struct Held {
  int fd = -1;
  std::uint32_t packets = 0;
  std::uint64_t seen = 0;
};

constexpr std::uint8_t kConnack[] = {0x20, 3, 0, 0, 0};
constexpr std::uint8_t kPingresp[] = {0xD0, 0};

struct Hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};
/// Who subscribed, by topic.
using Subscribers = std::unordered_map<std::string, int, Hash, std::equal_to<>>;

/// A text with its length before it.
std::string_view text_at(const std::uint8_t* bytes) {
  return {reinterpret_cast<const char*>(bytes + 2),
          static_cast<std::size_t>(bytes[0] << 8 | bytes[1])};
}

/// Sends a packet to its subscriber, and PUBACK to the publisher.
ssize_t forward(int fd, const std::uint8_t* packet, ssize_t header, ssize_t length,
                const Subscribers& subscribers) {
  const std::string_view topic = text_at(packet + header);
  const auto to = subscribers.find(topic);
  if (to != subscribers.end() &&
      ::send(to->second, packet, static_cast<std::size_t>(header + length), MSG_NOSIGNAL) < 0)
    return -1;
  const std::uint8_t* id = packet + header + 2 + topic.size();
  const std::uint8_t puback[] = {0x40, 2, id[0], id[1]};
  return ::send(fd, puback, sizeof puback, MSG_NOSIGNAL);
}

/// Answers the whole packets of a block; a client of the benchmark never sends a part of one.
bool answer(int fd, const std::uint8_t* bytes, ssize_t size, Subscribers& subscribers) {
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
    if (at + header + length > size) return false;
    if (type == 1) {
      sent = ::send(fd, kConnack, sizeof kConnack, MSG_NOSIGNAL);
    } else if (type == 3) {
      sent = forward(fd, bytes + at, header, length, subscribers);
    } else if (type == 8) {
      subscribers[std::string(text_at(bytes + at + header + 3))] = fd;
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
  Subscribers subscribers;
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
      if (got <= 0 || !answer(one.fd, block.data(), got, subscribers)) {
        ::close(one.fd);
        one.fd = -1;
        continue;
      }
      ++one.packets;
    }
  }
}
