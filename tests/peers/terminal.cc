// SPDX-License-Identifier: Apache-2.0
#include "terminal.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <filesystem>
#include <fstream>

#include "io/clock.h"

namespace wakeline::peers {
namespace {

constexpr int kTmuxLookAgainMs = 20;  // each look is a process

}  // namespace

Terminal::Terminal(std::string folder, const std::vector<std::string>& command,
                   const std::vector<std::string>& environment)
    : folder_(std::move(folder)) {
  std::filesystem::create_directories(folder_);
  std::ofstream(folder_ + "/tmux.conf") << "set -g default-size 100x30\nset -g remain-on-exit on\n";
  std::vector<std::string> all = environment;
  all.insert(all.end(), {"LANG=C.UTF-8", "SHELL=/bin/sh"});
  server_ = std::make_unique<PeerProgram>(
      std::vector<std::string>{"tmux", "-S", folder_ + "/tmux", "-f", folder_ + "/tmux.conf", "-D"},
      folder_ + "/tmux.log", all);
  const base::Instant until = io::now() + kPeerPatience;
  while (!std::filesystem::exists(folder_ + "/tmux") && server_->alive() && io::now() < until) {
    ::poll(nullptr, 0, kTmuxLookAgainMs);
  }
  std::vector<std::string> start = {"new-session", "-d", "--"};
  start.insert(start.end(), command.begin(), command.end());
  tmux(start);
}

void Terminal::type(const std::string& line) {
  tmux({"send-keys", "-l", "--", line});
  tmux({"send-keys", "Enter"});
}

std::string Terminal::screen() { return tmux({"capture-pane", "-p"}); }

void Terminal::wait_text(const std::string& text, base::Duration timeout) {
  const base::Instant until = io::now() + timeout;
  std::string seen;
  while ((seen = screen()).find(text) == std::string::npos) {
    if (io::now() > until || testing::Test::HasFailure()) {
      ADD_FAILURE() << "no '" << text << "' on the screen:\n" << seen;
      return;
    }
    ::poll(nullptr, 0, kTmuxLookAgainMs);
  }
}

std::string Terminal::tmux(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {"tmux", "-S", folder_ + "/tmux"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  PeerProgram client(command, folder_ + "/client.log");
  EXPECT_EQ(client.wait(), 0) << arguments.front() << ": " << client.output();
  return client.output();
}

}  // namespace wakeline::peers
