// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/testing.h"

/// The program itself, as operators run it.
namespace wakeline::server {

struct Ran {
  int code = -1;
  std::string out;  ///< with what it said on stderr
};

inline Ran wakeline(const std::string& arguments) {
  FILE* pipe = ::popen(("timeout 60 '" WAKELINE_PROGRAM "' " + arguments + " 2>&1").c_str(), "re");
  Ran ran;
  if (pipe == nullptr) return ran;
  char block[4'096];
  std::size_t got = 0;
  while ((got = std::fread(block, 1, sizeof block, pipe)) > 0) ran.out.append(block, got);
  const int status = ::pclose(pipe);
  ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

template <class Condition>
bool eventually(Condition condition) {
  for (const base::Instant until = io::now() + std::chrono::seconds(30); io::now() < until;) {
    if (condition()) return true;
    ::poll(nullptr, 0, 20);
  }
  return condition();
}

/// `wakeline server` with a configuration file; killed when the test forgets it.
class ConfiguredServer {
 public:
  ConfiguredServer() { configure("auth_failures = 0\n"); }
  ConfiguredServer(const ConfiguredServer&) = delete;
  ConfiguredServer& operator=(const ConfiguredServer&) = delete;
  ~ConfiguredServer() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  void configure(const std::string& limits, const std::string& more = "") const {
    std::ofstream(file("server.toml"))
        << "[listen]\nmqtts = \"off\"\nhttps = \"off\"\nmqtt = \"127.0.0.1:0\"\n"
           "http = \"127.0.0.1:0\"\noperators = \"127.0.0.1:0\"\n[limits]\n"
        << limits << "[log]\nformat = \"json\"\n"
        << more;
  }
  /// `before`: words before the command; `user`: whom it runs as, 0: as we do.
  bool start(const std::vector<std::string>& before = {}, uid_t user = 0) {
    std::vector<std::string> words = {WAKELINE_PROGRAM};
    words.insert(words.end(), before.begin(), before.end());
    words.insert(words.end(), {"server", "--config", file("server.toml"), "--data-folder", data(),
                               "--ready-file", file("ready")});
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    WL_CHECK(pid_ >= 0);
    if (pid_ == 0) {
      const int log = ::open(file("log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
      ::dup2(log, STDERR_FILENO);
      ::dup2(log, STDOUT_FILENO);
      if (user != 0 && (::setgid(user) != 0 || ::setuid(user) != 0)) ::_exit(126);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    if (!eventually([&] { return io::read_file(file("ready"), 1'000).has_value(); })) return false;
    const std::string text = *io::read_file(file("ready"), 1'000);
    unsigned numbers[5] = {};
    if (std::sscanf(text.c_str(), R"({"mqtt":%u,"mqtts":%u,"http":%u,"https":%u,"operators":%u})",
                    &numbers[0], &numbers[1], &numbers[2], &numbers[3], &numbers[4]) != 5)
      return false;
    mqtt = static_cast<std::uint16_t>(numbers[0]);
    mqtts = static_cast<std::uint16_t>(numbers[1]);
    https = static_cast<std::uint16_t>(numbers[3]);
    http = static_cast<std::uint16_t>(numbers[2]);
    operators = static_cast<std::uint16_t>(numbers[4]);
    return true;
  }
  void reload() const { ::kill(pid_, SIGUSR1); }
  pid_t pid() const { return pid_; }
  int terminate() {
    ::kill(pid_, SIGTERM);
    return wait();
  }
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string log() const { return io::read_file(file("log"), 10'000'000).value_or(""); }
  std::string data() const { return file("data"); }
  std::string file(const char* name) const { return folder_.file(name); }
  std::string folder_option() const { return " --data-folder '" + data() + "'"; }

  std::uint16_t mqtt = 0, mqtts = 0, http = 0, https = 0, operators = 0;

 private:
  io::TestFolder folder_;
  pid_t pid_ = -1;
};

}  // namespace wakeline::server
