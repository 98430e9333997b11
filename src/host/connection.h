// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "host/app_record.h"
#include "host/controls.h"
#include "host/driver.h"
#include "host/ledger_log.h"
#include "host/notices.h"
#include "host/requests.h"
#include "host/runs.h"
#include "io/seqpacket.h"
#include "linux/freezer.h"
#include "wire/host_message.h"

namespace wakeline::host {

/// Faults of one connection (malformed datagrams, messages out of turn) that are answered; the next
/// one ends it.
inline constexpr int kFaultsMax = 16;

/// The parts of the host that a connection speaks for; all outlive it.
struct ConnectionParts {
  Driver& driver;
  Notices& notices;
  Controls& controls;
  LedgerLog& ledger;
  sys::Freezer& freezer;
  Runs& runs;
};

/// One connection to the host's socket: finds out who is there, shakes hands, and passes each
/// request on. Whatever the peer does, the host goes on.
class Connection final : public MessageSink {
 public:
  /// `on_end` is called once, on the loop's thread; the connection is destroyed after it, not in
  /// it.
  /// `number`: its own for all time.
  Connection(std::unique_ptr<io::Seqpacket> socket, ConnectionParts parts, std::uint64_t number,
             std::function<void()> on_end);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start();
  void send(const wire::host::Message& message) override;
  void end() override;

 private:
  using Fds = std::vector<io::UniqueFd>;

  void on_message(std::string_view datagram, Fds fds);
  void on_hello(const wire::host::Hello& hello);
  void welcome_app(const wire::host::Hello& hello);
  wire::host::Welcome welcome(wire::host::RequestId request) const;
  void on_app_message(const wire::host::Message& message, Fds fds);
  void on_control_message(const wire::host::Message& message, Fds fds);
  void follow(const wire::host::Follow& follow);

  /// Answers with a refusal and ends the connection.
  void refuse(wire::host::RequestId request, base::ErrorCode code, std::string_view message);
  /// Answers with a refusal; ends the connection when there were too many.
  void fault(wire::host::RequestId request, base::ErrorCode code, std::string_view message);

  std::unique_ptr<io::Seqpacket> socket_;
  ConnectionParts parts_;
  std::uint64_t number_;
  std::function<void()> on_end_;
  PeerProcess peer_;
  AppRecord* app_ = nullptr;  // role "app", while it is the app's sink
  std::optional<AppRequests> requests_;
  bool control_ = false;  // role "control"
  std::optional<std::uint64_t> follower_;
  int faults_ = 0;
};

}  // namespace wakeline::host
