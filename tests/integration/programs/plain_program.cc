// SPDX-License-Identifier: Apache-2.0
// A program that knows nothing of us: it connects to the port of its first argument, blocks in recv
// and answers lines. With a second port it connects there too, and never reads from it.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

int connect_to(const char* port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    std::perror("connect");
    std::exit(3);
  }
  return fd;
}

void say(int fd, const std::string& text) {
  const std::string line = text + "\n";
  if (send(fd, line.data(), line.size(), MSG_NOSIGNAL) < 0) std::exit(4);
}

/// The next line; what recv says goes through: an interruption would be a fault of ours (C7).
std::string read_line(int fd) {
  std::string line;
  for (char c = 0; c != '\n';) {
    const ssize_t size = recv(fd, &c, 1, 0);
    if (size == 0) std::exit(0);
    if (size < 0) {
      std::perror("recv");
      std::exit(5);
    }
    if (c != '\n') line += c;
  }
  return line;
}

void answer_forever(int fd, const char* port) {
  for (;;) {
    const std::string line = read_line(fd);
    if (line.starts_with("ping ")) {
      say(fd, "pong " + line.substr(5));
    } else if (line == "reconnect") {
      close(fd);
      fd = connect_to(port);
      say(fd, "again");
    } else if (line.starts_with("variable ")) {
      const char* value = std::getenv(line.substr(9).c_str());
      say(fd, std::string("variable ") + (value == nullptr ? "" : value));
    } else if (line == "folder") {
      std::array<char, 4096> folder;
      say(fd, std::string("folder ") + getcwd(folder.data(), folder.size()));
    } else if (line == "polite") {
      // Ends by itself, with a code of its own, when it is asked to.
      for (const int number : {SIGINT, SIGTERM}) {
        std::signal(number, [](int which) { _exit(which == SIGINT ? 40 : 41); });
      }
      say(fd, "polite");
    } else if (line.starts_with("exit ")) {
      std::exit(std::stoi(line.substr(5)));
    } else if (line == "crash") {
      std::abort();
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const int fd = connect_to(argv[1]);
  say(fd, "plain " + std::to_string(getpid()));
  if (argc > 2) say(connect_to(argv[2]), "other");
  std::printf("started\n");
  std::fflush(stdout);
  answer_forever(fd, argv[1]);
}
