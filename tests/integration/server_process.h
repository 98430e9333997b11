// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "io/file.h"
#include "io/testing.h"
#include "io/unique_fd.h"
#include "server/admin.h"

namespace wakeline::server {

/// The program that stands beside the test.
inline std::string beside_the_test(const char* program) {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / program).string();
}

/// A server process on a data folder of its own; killed when the test forgets it.
class ServerProcess {
 public:
  explicit ServerProcess(std::vector<std::string> arguments = {})
      : arguments_(std::move(arguments)) {}
  /// One that takes over from `before`, on its folder and ports.
  static std::unique_ptr<ServerProcess> heir_of(const ServerProcess& before) {
    std::unique_ptr<ServerProcess> heir(new ServerProcess(before.arguments_, before.folder()));
    if (std::ranges::find(heir->arguments_, kTakeOver) == heir->arguments_.end())
      heir->arguments_.emplace_back(kTakeOver);
    heir->ports = before.ports;
    return heir;
  }
  ServerProcess(ServerProcess&&) = delete;
  ServerProcess& operator=(ServerProcess&&) = delete;
  ~ServerProcess() {
    if (pid_ > 0) kill_now();
  }

  /// Returns: whether it serves within half a minute. A second start asks for the same ports.
  bool start() {
    std::vector<std::string> words = {
        beside_the_test("server_app"),        "folder=" + folder(),
        "mqtt=" + std::to_string(ports.mqtt), "mqtts=" + std::to_string(ports.mqtts),
        "http=" + std::to_string(ports.http), "https=" + std::to_string(ports.https)};
    words.insert(words.end(), arguments_.begin(), arguments_.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    int pipe[2];
    WL_CHECK(::pipe2(pipe, O_CLOEXEC) == 0);
    const io::UniqueFd from(pipe[0]);
    io::UniqueFd to(pipe[1]);
    pid_ = ::fork();
    WL_CHECK(pid_ >= 0);
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that aborts leaves no server behind
      ::dup2(to.get(), STDOUT_FILENO);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    to.reset();
    return read_ports(from.get());
  }

  void kill_now() {
    ::kill(pid_, SIGKILL);
    wait();
  }
  /// Asks it to end. Returns: its exit code, or -1 when a signal ended it.
  int terminate() {
    ::kill(pid_, SIGTERM);
    return wait();
  }
  int wait() {
    int status = 0;
    WL_CHECK(::waitpid(std::exchange(pid_, -1), &status, 0) > 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  /// One more option.
  void set(const std::string& option) { arguments_.push_back(option); }
  pid_t pid() const { return pid_; }
  std::string folder() const {
    return other_folder_.empty() ? folder_.file("data") : other_folder_;
  }
  std::string ca_file() const { return folder() + "/certificate.pem"; }
  std::string admin_token() const {
    auto text = io::read_file(folder() + "/admin-token", 100);
    WL_CHECK(text && text->ends_with('\n'));
    return text->substr(0, text->size() - 1);
  }
  /// Returns: the device's token.
  std::string add_device(const std::string& name) const {
    const auto credentials = server::add_device(folder(), name, "127.0.0.1", ports.mqtts);
    WL_CHECK(credentials.has_value());
    return credentials->token;
  }

  Ports ports;

 private:
  static constexpr const char* kTakeOver = "take_over=yes";

  ServerProcess(std::vector<std::string> arguments, std::string folder)
      : arguments_(std::move(arguments)), other_folder_(std::move(folder)) {}
  bool read_ports(int fd) {
    std::string line;
    while (!line.ends_with('\n')) {
      pollfd wait{fd, POLLIN, 0};
      char c = 0;
      if (::poll(&wait, 1, 30'000) <= 0 || ::read(fd, &c, 1) != 1) return false;
      line += c;
    }
    unsigned numbers[4] = {};
    if (std::sscanf(line.c_str(), "%u %u %u %u", &numbers[0], &numbers[1], &numbers[2],
                    &numbers[3]) != 4)
      return false;
    ports = {static_cast<std::uint16_t>(numbers[0]), static_cast<std::uint16_t>(numbers[1]),
             static_cast<std::uint16_t>(numbers[2]), static_cast<std::uint16_t>(numbers[3])};
    return true;
  }

  std::vector<std::string> arguments_;
  io::TestFolder folder_;
  std::string other_folder_;
  pid_t pid_ = -1;
};

}  // namespace wakeline::server
