// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "io/testing.h"
#include "linux/process.h"

/// `wakeline` as a program beside no host and no server: what it prints, and how it ends.
namespace wakeline::cli {

inline std::string text_of(const std::string& path) {
  const std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class ProgramTest : public testing::Test {
 protected:
  static constexpr std::chrono::seconds kPatience{30};

  struct Result {
    int code = -1;  ///< -1: it did not end, or by a signal
    std::string output;
    std::string errors;
  };

  /// `wakeline WORDS`, with its stdout in a file.
  Result wakeline(const std::vector<std::string>& words) {
    std::vector<std::string> command = {WAKELINE_PROGRAM};
    command.insert(command.end(), words.begin(), words.end());
    return run(command);
  }

  /// A line of the shell, in which "$0" is the program.
  Result shell(const std::string& line) { return run({"/bin/sh", "-c", line, WAKELINE_PROGRAM}); }

  std::string file(const std::string& name) const { return folder_.file(name); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(file(name)) << text;
  }

 private:
  Result run(const std::vector<std::string>& command) {
    const auto open_file = [](const std::string& path) {
      return io::UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    };
    const io::UniqueFd output = open_file(file("stdout"));
    const io::UniqueFd errors = open_file(file("stderr"));
    sys::SpawnOptions options;
    options.command = command;
    options.environment = sys::inherit_environment(
        {"XDG_STATE_HOME=" + file("state"), "XDG_RUNTIME_DIR=" + file("run")});
    options.working_directory = folder_.path();
    options.output = output.get();
    options.errors = errors.get();
    const auto process = sys::spawn(options);
    if (!process) {
      ADD_FAILURE() << base::to_string(process.error());
      return {};
    }
    pollfd wait{process->pidfd.get(), POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(kPatience / std::chrono::milliseconds(1))) != 1) {
      ADD_FAILURE() << testing::PrintToString(command) << " does not end";
      ::kill(process->pid, SIGKILL);
      ::poll(&wait, 1, -1);
    }
    const auto exit = sys::take_exit(process->pidfd.get());
    return {exit && !exit->signaled ? exit->code : -1, text_of(file("stdout")),
            text_of(file("stderr"))};
  }

  const io::TestFolder folder_;
};

}  // namespace wakeline::cli
