// SPDX-License-Identifier: Apache-2.0
//
// A program that has its network layer already, a blocking recv loop on a thread, and adopts
// Wakeline by one line. Its server sends lines of text; each is shown as a notification.
//
//   adopt HOST PORT
//
// Exit codes: 0 it was asked to end (SIGINT, SIGTERM); 1 no connection can be made (the host starts
// it again, with a growing delay); 2 wrong arguments; 4 the system gave no thread or descriptor.
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wakeline/app.h>

#include <csignal>
#include <iostream>
#include <string>
#include <thread>

namespace {

wakeline::App* running_app = nullptr;

void on_signal(int /*number*/) {
  if (running_app != nullptr) running_app->stop();
}

void say(const std::string& line) { std::cout << "adopt: " << line << '\n' << std::flush; }

// --- the network layer as it was

int connect_to(const char* host, const char* port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host, port, &hints, &found) != 0) return -1;
  int fd = -1;
  for (const addrinfo* each = found; each != nullptr && fd < 0; each = each->ai_next) {
    fd = socket(each->ai_family, each->ai_socktype | SOCK_CLOEXEC, each->ai_protocol);
    if (fd >= 0 && connect(fd, each->ai_addr, each->ai_addrlen) != 0) {
      close(fd);
      fd = -1;
    }
  }
  freeaddrinfo(found);
  return fd;
}

template <class OnLine>
void receive_lines(int fd, OnLine on_line) {
  std::string text;
  char block[4096];
  for (ssize_t got; (got = recv(fd, block, sizeof block, 0)) > 0;) {
    text.append(block, static_cast<std::size_t>(got));
    for (std::size_t end; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1))
      on_line(text.substr(0, end));
    if (text.size() > sizeof block) return;  // no line is so long
  }
}

// --- what is new

void show(wakeline::App& app, const std::string& line) {
  say("received " + line);
  wakeline::Notification notification;
  notification.title = line.empty() ? "A message" : line;
  const auto shown = app.notify(notification);
  if (!shown) say("not shown: " + shown.error().message);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: adopt HOST PORT\n";
    return 2;
  }
  auto app = wakeline::App::create();
  if (!app) {
    std::cerr << "adopt: " << app.error().message << '\n';
    return 4;
  }
  running_app = &*app;
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  std::signal(SIGPIPE, SIG_IGN);  // whoever reads our lines may go

  std::thread network([&] {
    for (;;) {
      const int fd = connect_to(argv[1], argv[2]);
      if (fd < 0) _exit(1);
      const auto tagged = app->enable_backgrounding(fd);  // the one line
      say(tagged ? "connected" : "connected, untagged: " + tagged.error().message);
      receive_lines(fd, [&](const std::string& line) { show(*app, line); });
      close(fd);
      say("the connection ended");
    }
  });
  app->run();
  say("ends");
  std::cout.flush();
  _exit(0);  // the network thread waits in recv, as it always did
}
