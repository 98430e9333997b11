// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bed.h"
#include "brokers.h"
#include "cli/program.h"
#include "folder.h"

/// The clients that `wakeline bench client` and `deliver` measure.
namespace wakeline::bench {

/// One line that a client has told: see `programs/client_line.h`.
struct ClientLine {
  std::string words;  ///< "ready online", "push 17"
  std::int64_t monotonic_ns = 0;
  std::int64_t wall_ns = 0;
};

/// The file in which a client tells, read from the front.
class ClientLines {
 public:
  ClientLines() = default;
  explicit ClientLines(std::string file) : file_(std::move(file)) {}
  /// Passes over lines until one begins with `words`. Fails after `timeout`.
  Outcome<ClientLine> await(const std::string& words,
                            base::Duration timeout = std::chrono::seconds(60));
  /// Passes over lines until one does not.
  Outcome<ClientLine> await_other(const std::string& words,
                                  base::Duration timeout = std::chrono::seconds(60));

 private:
  template <class Wanted>
  Outcome<ClientLine> find(Wanted wanted, const std::string& what, base::Duration timeout);
  std::string file_;
  std::size_t read_ = 0;  ///< bytes of it
};

/// The command of `program` for device `number` of `broker`, over TLS to `port`. `name` makes its
/// files in `folder`: NAME.lines, NAME.state.
std::vector<std::string> client_command(const std::string& program, const Folder& folder,
                                        const std::string& name, const Broker& broker,
                                        std::uint16_t port, int number);

/// Waits until the host says that `app` is suspended now.
Outcome<void> await_asleep(Bed& bed, const std::string& app,
                           base::Duration timeout = std::chrono::seconds(20));

/// A client that runs, and is ready.
struct Client {
  cli::Program program;
  ClientLines lines;
  static Outcome<Client> start(const std::string& program, const Folder& folder,
                               const std::string& name, const Broker& broker, std::uint16_t port,
                               int number);
};

}  // namespace wakeline::bench
