// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cli/program.h"
#include "peers/screen.h"

namespace wakeline::bench {

/// Each program runs twice at the same time: as usual, and suspended under a host.
enum Side : std::size_t { kUsual = 0, kSuspended = 1 };
inline constexpr std::size_t kSides = 2;
/// Whose account a side has, of a server that has accounts.
inline constexpr const char* kUsers[kSides] = {"alice", "anna"};

/// A program that has to be there, and the package of Debian that has it.
struct Need {
  const char* program;
  const char* package;
};

/// A program that knows nothing of us, with the server that it hangs on: what differs between one
/// and the other.
class Subject {
 public:
  virtual ~Subject() = default;

  virtual const char* name() const = 0;
  virtual std::vector<Need> needs() const = 0;
  /// Starts the server that both sides use; it ends with this object.
  virtual cli::Outcome<void> start_server(const std::string& folder) = 0;
  /// Of its server; 0: it has no connection, and nothing rings it.
  virtual std::uint16_t port() const = 0;
  /// For a shell, with what it needs in the environment: "A=b exec PROGRAM …".
  virtual cli::Outcome<std::string> command(Side side, const std::string& folder) = 0;
  /// What it writes when it has reached its server; empty: nothing.
  virtual std::string greeting() const { return {}; }
  /// After the greeting: waits until it can be rung.
  virtual cli::Outcome<void> on_started(Side /*side*/, Screen& /*screen*/) { return {}; }
  /// What is sent, and what is taken for its reaction.
  virtual const char* reaction() const = 0;
  /// Rings it once. Returns: nanoseconds from before the server was given the bytes to the
  /// reaction.
  virtual cli::Outcome<std::int64_t> ring(Side side, Screen& screen) = 0;
};

std::unique_ptr<Subject> make_baresip();
std::unique_ptr<Subject> make_profanity();
std::unique_ptr<Subject> make_mosquitto_sub();
std::unique_ptr<Subject> make_asyncio();
std::unique_ptr<Subject> make_xclock();

/// All of them, or those whose names are given.
std::vector<std::unique_ptr<Subject>> make_subjects(const std::vector<std::string>& only);

}  // namespace wakeline::bench
