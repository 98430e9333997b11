// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <expected>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "linux/process.h"

namespace wakeline::cli {

/// A value, or what went wrong in a sentence for people.
template <class T>
using Outcome = std::expected<T, std::string>;

/// A program that we started, with its output in a file. Destroying it ends it: SIGTERM, 8 s,
/// SIGKILL.
class Program {
 public:
  Program() = default;
  Program(Program&& other) noexcept : process_(std::exchange(other.process_, {})) {}
  Program& operator=(Program&& other) noexcept;
  ~Program() { stop(); }

  /// `command[0]` is a path; `log_file` is appended to; `environment` holds "KEY=value" beside what
  /// we have ourselves.
  static Outcome<Program> start(const std::vector<std::string>& command,
                                const std::string& log_file,
                                const std::vector<std::string>& environment = {});

  bool running() const { return process_.pid != 0; }
  /// Whether it is running and has not ended by itself.
  bool alive() const;
  pid_t pid() const { return process_.pid; }
  /// SIGKILL, and waits for the end.
  void crash();
  void stop();
  /// Waits for the end by itself. Returns: the exit code, -1 for a signal or when it took longer
  /// than ten seconds.
  int wait();

 private:
  sys::Process process_;
};

/// Waits until the daemon has written its ready file. Returns: its text.
Outcome<std::string> await_ready_file(const std::string& path, const Program& program,
                                      const std::string& log_file,
                                      base::Duration timeout = std::chrono::seconds(10));

}  // namespace wakeline::cli
