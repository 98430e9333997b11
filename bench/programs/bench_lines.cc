// SPDX-License-Identifier: Apache-2.0
// An app with many lines: connects LINES times to a port of loopback, tags its sockets,
// and answers each byte with the moment at which its recv had returned.
//   bench-lines PORT LINES
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wakeline/app.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

namespace {

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -1;
  return fd;
}

std::int64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

/// False: the other side has closed.
bool answer(int fd) {
  char byte = 0;
  const ssize_t got = ::recv(fd, &byte, 1, 0);
  const std::int64_t received = monotonic_ns();
  return got > 0 && ::send(fd, &received, sizeof received, MSG_NOSIGNAL) == sizeof received;
}

bool parse(const char* text, auto& number) {
  return std::from_chars(text, text + std::strlen(text), number).ec == std::errc();
}

}  // namespace

int main(int argc, char** argv) {
  std::uint16_t port = 0;
  std::size_t count = 1;
  if (argc != 3 || !parse(argv[1], port) || !parse(argv[2], count)) {
    std::fprintf(stderr, "usage: bench-lines PORT LINES\n");
    return 2;
  }
  auto app = wakeline::App::create();
  if (!app) return std::fprintf(stderr, "bench-lines: %s\n", app.error().message.c_str()), 1;
  std::vector<pollfd> lines(count);
  for (pollfd& line : lines) {
    line = {connect_to(port), POLLIN, 0};
    if (line.fd < 0) return std::perror("bench-lines: connect"), 1;
  }
  std::array<char, 64> id{};
  // A host that is launching a thousand apps may welcome this one late; untagged it would be no app
  // to measure.
  const char* wanted = std::getenv("WAKELINE_HOST");
  auto host = app->host();
  for (int i = 0; i < 1200 && wanted != nullptr && *wanted != 0 && !host; ++i) {
    ::poll(nullptr, 0, 50);
    host = app->host();
  }
  if (host) std::strncpy(id.data(), host->app.c_str(), id.size() - 1);
  for (const pollfd& line : lines) {
    if (host) {
      if (const auto tagged = app->enable_backgrounding(line.fd); !tagged) {
        return std::fprintf(stderr, "bench-lines: tag: %s\n", tagged.error().message.c_str()), 1;
      }
    }
    if (::send(line.fd, id.data(), id.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(id.size()))
      return 1;
  }
  for (;;) {
    if (::poll(lines.data(), lines.size(), -1) <= 0) continue;  // EINTR: thawed
    for (const pollfd& line : lines) {
      if (line.revents != 0 && !answer(line.fd)) return 0;
    }
  }
}
