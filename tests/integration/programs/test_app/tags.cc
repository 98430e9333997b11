// SPDX-License-Identifier: Apache-2.0
// The sockets that the app tags, or tries to.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "app.h"
#include "ring.h"

namespace wakeline::test_app {

/// The refusals of C4, each with an fd of that kind.
void App::tag_kind(const std::string& kind) {
  if (kind == "line") {
    tag(line_.fd, line_.fd);
    return;
  }
  if (kind == "none") {
    send_host(msg::Tag{++request_, line_.fd});
    return;
  }
  if (kind == "other") {
    // The number names another socket than the one that rides along.
    tag(report_.fd, line_.fd);
    return;
  }
  int fd = -1;
  if (kind == "udp") fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (kind == "unconnected") fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (kind == "file") fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (kind == "listener") {
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    listen(fd, 1);
  }
  tag(fd, fd);
  close(fd);
}

/// A UDP socket, tagged: profile linux allows it (C4).
void App::open_udp() {
  udp_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  const char* from = std::getenv("WAKELINE_TEST_FROM");
  address.sin_addr.s_addr = from == nullptr ? htonl(INADDR_LOOPBACK) : inet_addr(from);
  socklen_t size = sizeof address;
  if (bind(udp_, reinterpret_cast<const sockaddr*>(&address), size) != 0) std::exit(7);
  getsockname(udp_, reinterpret_cast<sockaddr*>(&address), &size);
  report_.write_line("udp " + std::to_string(ntohs(address.sin_port)));
  tag(udp_, udp_);
}

void App::on_datagram() const {
  std::array<char, 512> bytes;
  const auto size = recv(udp_, bytes.data(), bytes.size(), 0);
  const std::string text =
      size < 0 ? "error" : std::string(bytes.data(), static_cast<std::size_t>(size));
  report_.write_line("datagram " + text);
}

/// From now on the line alone is read, and by completions.
void App::read_by_ring() {
  Ring ring;
  std::array<char, 4096> bytes;
  for (;;) {
    const int size = ring.receive(line_.fd, bytes.data(), bytes.size());
    if (size <= 0) std::exit(6);
    line_.buffer.append(bytes.data(), static_cast<std::size_t>(size));
    take_lines(line_);
  }
}

}  // namespace wakeline::test_app
