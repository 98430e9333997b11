// SPDX-License-Identifier: Apache-2.0
// An app of the library for the host's tests. As test_app it connects twice to WAKELINE_TEST_PORT,
// first the line on which it reports, then the one that it tags, and takes a command a line on
// both.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wakeline/app.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace {

int connect_tcp() {
  const char* port = std::getenv("WAKELINE_TEST_PORT");
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port == nullptr ? "0" : port)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) std::exit(3);
  return fd;
}

class Program {
 public:
  explicit Program(wakeline::App app) : app_(std::move(app)) {}

  int run() {
    report_ = connect_tcp();
    say(report_, "report " + std::to_string(getpid()));
    line_ = connect_tcp();
    say(line_, "line " + std::to_string(getpid()));
    const auto tagged = app_.enable_backgrounding(line_);
    say(report_, "tagged " + word(tagged));
    app_.on_woken([this](wakeline::WakeCause cause) {
      say(report_, "woken " + std::string(wakeline::name(cause)));
    });
    app_.on_call_state([this](wakeline::CallState state) {
      say(report_, "call " + std::string(wakeline::name(state)));
    });
    app_.on_network_changed([this](const wakeline::NetworkFacts& facts) {
      std::string text = "network";
      for (const auto& address : facts.addresses) text += " " + address.address;
      say(report_, text);
    });
    for (;;) {
      std::array<pollfd, 3> waited = {pollfd{report_, POLLIN, 0}, pollfd{line_, POLLIN, 0},
                                      pollfd{app_.fd(), POLLIN, 0}};
      if (poll(waited.data(), waited.size(), -1) < 0 && errno != EINTR) return 4;
      app_.dispatch();
      if (waited[0].revents != 0) read_from(report_);
      if (waited[1].revents != 0) read_from(line_);
    }
  }

 private:
  template <class T>
  static std::string word(const wakeline::Result<T>& result) {
    return result ? "ok" : std::string(wakeline::name(result.error().code));
  }
  static void say(int fd, const std::string& text) {
    const std::string line = text + "\n";
    if (send(fd, line.data(), line.size(), MSG_NOSIGNAL) < 0) std::exit(0);
  }

  void read_from(int fd) {
    std::array<char, 4096> bytes;
    const auto size = recv(fd, bytes.data(), bytes.size(), 0);
    if (size < 0 && errno == EINTR) return;
    if (size <= 0) std::exit(0);  // the test is over
    std::string& text = buffers_[fd];
    text.append(bytes.data(), static_cast<std::size_t>(size));
    for (std::size_t end; (end = text.find('\n')) != std::string::npos;) {
      const std::string command = text.substr(0, end);
      text.erase(0, end + 1);
      on_command(fd, command);
    }
  }

  void on_command(int from, const std::string& text) {
    std::istringstream words(text);
    std::string command;
    words >> command;
    if (command == "ping") {
      std::string rest;
      words >> rest;
      say(from, "pong " + rest);
    } else if (command == "audio") {
      auto session = app_.begin_audio_session();
      say(report_, "audio " + word(session));
      if (session) session_ = std::move(*session);
    } else if (command == "silence") {
      session_.reset();
      say(report_, "silence");
    } else if (command == "wake") {
      std::int64_t earliest = 0;
      std::int64_t latest = 0;
      words >> earliest >> latest;
      auto wake =
          app_.request_wake(std::chrono::milliseconds(earliest), std::chrono::milliseconds(latest),
                            [this] { say(report_, "due"); });
      say(report_, "wake " + word(wake));
      if (wake) wakes_.push_back(std::move(*wake));
    } else if (command == "cancel") {
      wakes_.clear();
      say(report_, "cancelled");
    } else if (command == "capable") {
      say(report_, app_.is_wake_capable(line_) ? "capable yes" : "capable no");
    } else {
      say(report_, "unknown command: " + text);
    }
  }

  wakeline::App app_;
  int report_ = -1;
  int line_ = -1;
  std::map<int, std::string> buffers_;
  std::optional<wakeline::AudioSession> session_;
  std::vector<wakeline::WakeRequest> wakes_;
};

}  // namespace

int main() {
  std::signal(SIGPIPE, SIG_IGN);
  auto app = wakeline::App::create();
  if (!app) return 2;
  return Program(std::move(*app)).run();
}
