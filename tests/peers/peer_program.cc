// SPDX-License-Identifier: Apache-2.0
#include "peer_program.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <fstream>
#include <sstream>

#include "io/clock.h"

namespace wakeline::peers {
namespace {

constexpr int kLookAgainMs = 2;

}  // namespace

std::string find_program(const std::string& name) {
  const std::string path = bench::find_program(name);
  return path.empty() ? name : path;
}

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

PeerProgram::PeerProgram(const std::vector<std::string>& command, std::string log_file,
                         const std::vector<std::string>& environment)
    : log_file_(std::move(log_file)) {
  start_ = text_of(log_file_).size();
  // A test that is killed leaves nothing behind.
  std::vector<std::string> whole = command;
  whole.front() = find_program(command.front());
  auto started = cli::Program::start(bench::ends_with_us(whole), log_file_, environment);
  if (!started) {
    ADD_FAILURE() << command.front() << ": " << started.error();
    return;
  }
  program_ = std::move(*started);
}

std::optional<std::string> PeerProgram::next_line(const std::string& text, base::Duration timeout) {
  const base::Instant until = io::now() + timeout;
  for (;;) {
    const bool ended = !program_.alive();  // asked first: its last words count
    const std::string all = output();
    for (std::size_t end; (end = all.find('\n', seen_)) != std::string::npos;) {
      std::string line = all.substr(seen_, end - seen_);
      seen_ = end + 1;
      if (line.find(text) != std::string::npos) return line;
    }
    if (ended || io::now() > until) return std::nullopt;
    ::poll(nullptr, 0, kLookAgainMs);
  }
}

std::string PeerProgram::wait_line(const std::string& text, base::Duration timeout) {
  if (auto line = next_line(text, timeout)) return std::move(*line);
  ADD_FAILURE() << "no line with '" << text << "'" << (alive() ? "" : ", the program has ended")
                << "; its output:\n"
                << output();
  return {};
}

int PeerProgram::count_lines(const std::string& text) const {
  int count = 0;
  std::istringstream lines(output());
  for (std::string line; std::getline(lines, line);) count += line.find(text) != std::string::npos;
  return count;
}

int PeerProgram::wait(base::Duration timeout) {
  const base::Instant until = io::now() + timeout;
  while (program_.alive()) {
    if (io::now() > until) {
      ADD_FAILURE() << "it does not end; its output:\n" << output();
      program_.crash();
      return -1;
    }
    ::poll(nullptr, 0, kLookAgainMs);
  }
  return program_.wait();
}

}  // namespace wakeline::peers
