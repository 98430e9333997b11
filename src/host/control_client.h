// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <deque>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "io/unique_fd.h"
#include "wire/host_message.h"
#include "wire/manifest.h"

namespace wakeline::host {

/// Why a request of a control client failed.
struct ControlError {
  base::ErrorCode code = base::ErrorCode::kOk;
  std::string message;  ///< what to do about it, for people
};

/// Ledger lines kept while an answer is awaited; more end the connection with kTooLarge.
inline constexpr std::size_t kFollowBacklogMax = 10'000;

/// A connection to a running host in the role "control": what `wakeline apps` and `wakeline log`
/// use. Calls block, each at most the timeout given to `connect`.
class ControlClient {
 public:
  /// Connects and shakes hands.
  /// Errors: kNotFound, kUnreachable (no host there), kPermission (not our user's host), kTimeout.
  static std::expected<ControlClient, ControlError> connect(
      const std::string& socket_path, base::Duration timeout = std::chrono::seconds(10));

  const wire::host::Welcome& welcome() const { return welcome_; }

  /// Errors: kNotFound (no such app), kTimeout, kClosed.
  std::expected<void, ControlError> command(wire::host::Command command, const std::string& app);
  std::expected<std::vector<wire::host::AppInfo>, ControlError> list();
  std::expected<void, ControlError> reload();

  /// Runs a program as an app, with our stdin, stdout, stderr and environment.
  /// Returns: its pid. `next_end` gives its end later. Errors: as the message `run`.
  std::expected<pid_t, ControlError> run(const wire::Manifest& manifest, bool background);
  /// From now on `next_end` gives the app's end. Errors: kNotFound (it does not run).
  std::expected<void, ControlError> await(const std::string& app);
  std::expected<void, ControlError> signal(const std::string& app, wire::host::SignalWord signal);
  /// The end of an app; nullopt when none came within `timeout`. Errors: kClosed (the host ended).
  std::expected<std::optional<wire::host::Ended>, ControlError> next_end(base::Duration timeout);
  /// Readable when `next_end` or `next_line` has something to give.
  int fd() const { return socket_.get(); }

  /// From now on `next_line` gives the newest `backlog` lines, then every new one.
  std::expected<void, ControlError> follow(std::uint32_t backlog);
  /// The next line; nullopt when none came within `timeout`. Errors: kClosed (the host ended).
  std::expected<std::optional<wire::host::LedgerLine>, ControlError> next_line(
      base::Duration timeout);

 private:
  using Message = wire::host::Message;

  ControlClient(io::UniqueFd socket, base::Duration timeout)
      : socket_(std::move(socket)), timeout_(timeout) {}
  std::expected<void, ControlError> send(const Message& message, const std::vector<int>& fds = {});
  /// Sends a request and reads its reply. Returns: the value.
  std::expected<std::uint64_t, ControlError> ask(const Message& message,
                                                 const std::vector<int>& fds = {});
  /// nullopt: nothing came until `deadline`.
  std::expected<std::optional<Message>, ControlError> receive(base::Instant deadline);
  /// The next message that is no ledger line and no end.
  std::expected<Message, ControlError> answer();

  io::UniqueFd socket_;
  base::Duration timeout_;
  wire::host::Welcome welcome_;
  wire::host::RequestId request_ = 0;
  std::deque<wire::host::LedgerLine> lines_;
  std::deque<wire::host::Ended> ends_;
};

}  // namespace wakeline::host
