// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <string>

/// What the clients under measurement tell `wakeline bench`, each in a file of lines
/// "WORDS MONOTONIC_NS WALL_NS".
namespace client_line {

/// The arguments of each of them.
struct Arguments {
  std::string out;
  std::string host;
  int port = 0;
  std::string device;
  std::string token;
  std::string ca_file;
  std::string state_file;
};

inline Arguments read(int argc, char** argv) {
  constexpr const char* kUsage = "usage: CLIENT OUT HOST PORT DEVICE TOKEN CA_FILE STATE_FILE\n";
  if (argc != 8) {
    [[maybe_unused]] const auto said = ::write(STDERR_FILENO, kUsage, std::string(kUsage).size());
    std::exit(2);
  }
  return {argv[1], argv[2], std::atoi(argv[3]), argv[4], argv[5], argv[6], argv[7]};
}

/// The file of lines; this process's only one.
inline int out = -1;

inline void open(const std::string& path) {
  out = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (out < 0) std::exit(3);
}

inline std::string now(clockid_t clock) {
  timespec at{};
  ::clock_gettime(clock, &at);
  return std::to_string(at.tv_sec * 1'000'000'000LL + at.tv_nsec);
}

/// One write, so that nobody reads half a line.
inline void say(const std::string& words) {
  const std::string line = words + ' ' + now(CLOCK_MONOTONIC) + ' ' + now(CLOCK_REALTIME) + '\n';
  if (::write(out, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::exit(3);
}

}  // namespace client_line
