// SPDX-License-Identifier: Apache-2.0
// The app of the killing tests: one tagged connection, a keep-alive handler.
//   keeper PORT KEEP_ALIVE_SECONDS
// On its connection to PORT of loopback: "pid N" first, "pong TEXT" for each line "ping TEXT",
// "alive" for each run of its keep-alive handler.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wakeline/app.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? fd : -1;
}

void write_line(int fd, const std::string& text) {
  const std::string line = text + "\n";
  // A test that has gone needs no answer.
  if (::send(fd, line.data(), line.size(), MSG_NOSIGNAL) < 0) std::_Exit(0);
}

/// Answers the complete lines of `buffer` and takes them out of it.
void answer(int fd, std::string& buffer) {
  for (std::size_t end; (end = buffer.find('\n')) != std::string::npos; buffer.erase(0, end + 1)) {
    if (buffer.starts_with("ping ")) write_line(fd, "pong " + buffer.substr(5, end - 5));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: keeper PORT KEEP_ALIVE_SECONDS\n"), 2;
  auto app = wakeline::App::create();
  if (!app) return std::fprintf(stderr, "keeper: %s\n", app.error().message.c_str()), 1;
  const int fd = connect_to(static_cast<std::uint16_t>(std::atoi(argv[1])));
  if (fd < 0) return std::perror("keeper: connect"), 1;
  if (const auto tagged = app->enable_backgrounding(fd); !tagged)
    return std::fprintf(stderr, "keeper: %s\n", tagged.error().message.c_str()), 1;
  const auto kept = app->set_keep_alive_timeout(std::chrono::seconds(std::atoi(argv[2])),
                                                [fd] { write_line(fd, "alive"); });
  if (!kept) return std::fprintf(stderr, "keeper: %s\n", kept.error().message.c_str()), 1;
  write_line(fd, "pid " + std::to_string(::getpid()));

  std::string buffer;
  for (;;) {
    std::array<pollfd, 2> polls = {pollfd{fd, POLLIN, 0}, pollfd{app->fd(), POLLIN, 0}};
    if (::poll(polls.data(), polls.size(), -1) < 0) continue;
    if (polls[1].revents != 0) app->dispatch();
    if (polls[0].revents == 0) continue;
    std::array<char, 256> bytes{};
    const ssize_t size = ::recv(fd, bytes.data(), bytes.size(), 0);
    if (size <= 0) return 0;
    buffer.append(bytes.data(), static_cast<std::size_t>(size));
    answer(fd, buffer);
  }
}
