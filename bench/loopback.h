// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "cli/program.h"
#include "io/unique_fd.h"

/// Foreign programs on this machine, and plain connections to them.
namespace wakeline::bench {

/// A TCP port of 127.0.0.1 that nobody uses now, nor the UDP port of the same number.
std::uint16_t free_port();
/// A connection, blocking, TCP_NODELAY set.
cli::Outcome<io::UniqueFd> connect_to(std::uint16_t port, const char* address = "127.0.0.1");
/// Waits until somebody accepts connections there; half a minute at most.
cli::Outcome<void> await_port(std::uint16_t port, const char* address = "127.0.0.1");

/// The path of an installed program; empty: there is none. Daemons live where an ordinary user's
/// PATH does not look.
std::string find_program(const std::string& name);
/// The command, so that its process gets SIGTERM should this thread be killed.
std::vector<std::string> ends_with_us(std::vector<std::string> command);

/// A peer that speaks text over TCP and waits for words.
class TextLine {
 public:
  TextLine() = default;
  explicit TextLine(io::UniqueFd socket) : socket_(std::move(socket)) {}
  static cli::Outcome<TextLine> connect(std::uint16_t port);

  cli::Outcome<void> send(std::string_view text);
  /// Reads until `text` has come, and passes over it. Returns: everything before it.
  cli::Outcome<std::string> await(std::string_view text,
                                  base::Duration timeout = std::chrono::seconds(30));
  /// Passes over what has come so far.
  void skip();
  std::uint16_t local_port() const;

 private:
  io::UniqueFd socket_;
  std::string input_;
};

}  // namespace wakeline::bench
