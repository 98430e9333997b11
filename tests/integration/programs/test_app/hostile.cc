// SPDX-License-Identifier: Apache-2.0
// What no good app does.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <ctime>

#include "app.h"

namespace wakeline::test_app {

/// From a process of its own, so that this one still reads. Kind "time": questions that change
/// nothing; else tasks, of which it may have 64.
void App::flood(int count, const std::string& kind) {
  report_.write_line("flooding");
  quiet_ = true;
  const pid_t pid = fork();
  if (pid != 0) return;
  for (int i = 0; i < count; ++i) {
    if (kind == "time") {
      send_host(msg::QueryTime{1});
    } else {
      send_host(msg::BeginTask{1, "flood"});
    }
  }
  _exit(0);
}

void App::send_halves() const {
  for (int i = 0; i < 20; ++i) {
    if (!send_datagram(host_, R"({"v":1,"type":"tag","requ)")) break;
  }
}

void App::send_descriptors(std::size_t count) const {
  int ends[2];
  if (pipe(ends) != 0) std::exit(8);
  std::vector<int> fds(count, ends[0]);
  fds.back() = host_;
  const bool sent = send_datagram(host_, *msg::encode(msg::Tag{99, line_.fd}), fds);
  report_.write_line(sent ? "sent" : "not sent");
  close(ends[0]);
  close(ends[1]);
}

/// The next answer of the host, read at once.
std::optional<msg::Reply> App::next_reply() const {
  for (;;) {
    std::array<char, msg::kMessageMax> bytes;
    const auto size = recv(host_, bytes.data(), bytes.size(), 0);
    if (size <= 0) return std::nullopt;
    const auto message = msg::decode({bytes.data(), static_cast<std::size_t>(size)});
    if (!message) return std::nullopt;
    if (const auto* reply = std::get_if<msg::Reply>(&*message)) return *reply;
  }
}

void App::tag_many(int count) {
  int tagged = 0;
  int refused = 0;
  std::string error;
  for (int i = 0; i < count; ++i) {
    const int fd = connect_tcp();
    if (fd < 0) break;
    tag(fd, fd);
    const auto reply = next_reply();
    if (!reply) break;
    const bool good = reply->error == base::ErrorCode::kOk;
    ++(good ? tagged : refused);
    if (!good) error = base::name(reply->error);
  }
  report_.write_line("tagged " + std::to_string(tagged) + " refused " + std::to_string(refused) +
                     " " + error);
}

/// Keeps all that the host keeps, and says how many these are.
void App::connect_often(int count) {
  int kept = 0;
  for (int i = 0; i < count; ++i) {
    const int fd = connect_host();
    if (fd < 0) continue;
    char byte = 0;
    const bool said =
        send_datagram(fd, *msg::encode(msg::Hello{1, msg::kProtocolVersion, "control"}));
    if (said && recv(fd, &byte, 1, 0) > 0) {
      ++kept;
    } else {
      close(fd);
    }
  }
  report_.write_line("connections " + std::to_string(kept));
}

/// `count` processes that each end and start another one; for ten seconds, should nobody end them.
void App::bomb(int count) {
  std::signal(SIGCHLD, SIG_IGN);
  report_.write_line("bomb");
  const std::time_t end = std::time(nullptr) + 10;
  for (int i = 0; i < count; ++i) {
    if (fork() != 0) continue;
    while (std::time(nullptr) < end) {
      if (fork() > 0) break;
    }
    _exit(0);
  }
}

}  // namespace wakeline::test_app
