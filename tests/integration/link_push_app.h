// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spawn.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "link_fixture.h"

namespace wakeline::test {

/// One line of the app's log.
struct Given {
  std::string title;
  std::uint64_t sequence = 0;
  bool maybe_seen = false;
  long pid = 0;
};

/// The app as a process of its own, over its lives.
class PushApp {
 public:
  /// `replies`: what it sends in each of its lives.
  PushApp(std::uint16_t port, std::string token, std::string ca_file, int replies = 0)
      : arguments_{server::beside_the_test("push_app"),
                   "localhost",
                   std::to_string(port),
                   std::move(token),
                   ca_file.empty() ? "-" : std::move(ca_file),
                   folder_.file("state"),
                   folder_.file("log")} {
    if (replies == 0) return;
    arguments_.push_back(folder_.file("sent"));
    arguments_.push_back(std::to_string(replies));
  }
  PushApp(const PushApp&) = delete;
  PushApp& operator=(const PushApp&) = delete;
  ~PushApp() {
    ::unsetenv("PUSH_APP_CLOCK");
    if (pid_ > 0) kill_now();
  }

  void start() {
    std::vector<char*> argv;
    for (std::string& word : arguments_) argv.push_back(word.data());
    argv.push_back(nullptr);
    WL_CHECK(::posix_spawn(&pid_, argv[0], nullptr, nullptr, argv.data(), environ) == 0);
  }
  /// For its lives to come: by how much its wall clock is off.
  void set_clock(seconds offset) {
    ::setenv("PUSH_APP_CLOCK", std::to_string(offset.count()).c_str(), 1);
  }
  void kill_now() {
    ::kill(pid_, SIGKILL);
    WL_CHECK(::waitpid(std::exchange(pid_, -1), nullptr, 0) > 0);
  }
  /// Of its present life.
  pid_t pid() const { return pid_; }
  std::string state_file() const { return folder_.file("state"); }
  std::string log_file() const { return folder_.file("log"); }
  std::vector<Given> log() const {
    std::vector<Given> all;
    std::ifstream file(folder_.file("log"));
    std::string line;
    while (std::getline(file, line)) {
      Given given;
      std::istringstream(line) >> given.title >> given.sequence >> given.maybe_seen >> given.pid;
      all.push_back(given);
    }
    return all;
  }
  bool has_all(const std::set<std::string>& titles) const {
    std::set<std::string> missing = titles;
    for (const Given& given : log()) missing.erase(given.title);
    return missing.empty();
  }
  /// The keys of messages of which it was said: "promised", "sent", "expired".
  std::multiset<std::string> keys(const std::string& word) const {
    std::multiset<std::string> keys;
    std::ifstream file(folder_.file("sent"));
    std::string said;
    std::string key;
    while (file >> said >> key)
      if (said == word) keys.insert(key);
    return keys;
  }

 private:
  io::TestFolder folder_;
  std::vector<std::string> arguments_;
  pid_t pid_ = -1;
};

/// A moment in which something dies.
inline void random_moment(base::Random& random) {
  std::this_thread::sleep_for(  // the moment is the input of the test
      std::chrono::duration_cast<milliseconds>(random.between({}, milliseconds(200))));
}

}  // namespace wakeline::test
