// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "bench/loopback.h"
#include "cli/program.h"

/// Programs that the tests of real peers start, watch by what they print, and end by their id.
namespace wakeline::peers {

/// No step of a test with a foreign program takes longer, also on a loaded machine.
inline constexpr base::Duration kPeerPatience = std::chrono::seconds(30);

using bench::free_port;
/// Whether something accepts connections at that port before the patience is over.
inline bool wait_port(std::uint16_t port, const std::string& address = "127.0.0.1") {
  return bench::await_port(port, address.c_str()).has_value();
}
/// The path of a program of the system; `name` itself when there is none.
std::string find_program(const std::string& name);
/// The whole file; empty when there is none.
std::string text_of(const std::string& path);

/// A foreign program with its output in a file. It ends with this object, and with the test.
class PeerProgram {
 public:
  /// `command[0]` is looked up in PATH, and in the folders of system programs. A test failure when
  /// it does not start.
  PeerProgram(const std::vector<std::string>& command, std::string log_file,
              const std::vector<std::string>& environment = {});

  pid_t pid() const { return program_.pid(); }
  bool alive() const { return program_.alive(); }
  /// The first line with `text` that no earlier call has returned or passed over. Empty, and a test
  /// failure that shows the output, when none comes in time.
  std::string wait_line(const std::string& text, base::Duration timeout = kPeerPatience);
  /// As above, and nullopt instead of a failure: that nothing comes is the point.
  std::optional<std::string> next_line(const std::string& text, base::Duration timeout);
  /// Since this start; an earlier program may have written to the same file.
  std::string output() const { return text_of(log_file_).substr(start_); }
  /// How many lines hold `text`.
  int count_lines(const std::string& text) const;

  void crash() { program_.crash(); }  ///< SIGKILL
  void stop() { program_.stop(); }    ///< SIGTERM, after eight seconds SIGKILL
  /// Waits for the end by itself. Returns: its exit code; -1 for a signal, and, with a test
  /// failure, when it takes longer than `timeout`.
  int wait(base::Duration timeout = kPeerPatience);

 private:
  std::string log_file_;
  std::size_t start_ = 0;  ///< bytes of the log that an earlier program wrote
  std::size_t seen_ = 0;   ///< bytes of the output
  cli::Program program_;
};

}  // namespace wakeline::peers
