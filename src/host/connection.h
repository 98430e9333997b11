// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "host/app_record.h"
#include "host/controls.h"
#include "host/driver.h"
#include "host/ledger_log.h"
#include "host/notices.h"
#include "host/rate_limit.h"
#include "host/requests.h"
#include "host/runs.h"
#include "io/deadline_timer.h"
#include "io/loop.h"
#include "io/seqpacket.h"
#include "linux/freezer.h"
#include "wire/host_message.h"

namespace wakeline::host {

/// Faults of one connection (malformed datagrams, messages out of turn) that are answered; the next
/// one ends it.
inline constexpr int kFaultsMax = 16;

/// Messages of one connection: so many at once, which is more than an app can have to ask for
/// (1,024 tags, and as many that end), and so many a second. Who sends more is read later, and
/// waits with a full socket.
inline constexpr int kMessagesBurst = 4'096;
inline constexpr base::Duration kMessageInterval = std::chrono::milliseconds(5);

/// The parts of the host that its connections speak for; all outlive them.
struct ConnectionParts {
  io::Loop& loop;
  Driver& driver;
  Notices& notices;
  Controls& controls;
  LedgerLog& ledger;
  sys::Freezer& freezer;
  Runs& runs;
  /// The connection of this number has ended; it is destroyed after the call, not in it.
  std::function<void(std::uint64_t)> on_end;
};

/// One connection to the host's socket: finds out who is there, shakes hands, and passes each
/// request on. Whatever the peer does, the host goes on.
class Connection final : public MessageSink {
 public:
  /// `parts` outlives it; its `on_end` is called once, on the loop's thread. `number`: its own for
  /// all time. `owner`: the app of the process that connected, if it is one.
  Connection(std::unique_ptr<io::Seqpacket> socket, const ConnectionParts& parts,
             std::uint64_t number, doze::AppId owner);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start();
  doze::AppId owner() const { return owner_; }
  /// Whether it has said who it is.
  bool known() const { return app_ != nullptr || control_; }
  void send(const wire::host::Message& message) override;
  bool asked() const override { return socket_ != nullptr && socket_->unread(); }
  void end() override;

 private:
  using Fds = std::vector<io::UniqueFd>;

  void on_message(std::string_view datagram, Fds fds);
  void handle(std::string_view datagram, Fds fds);
  void on_hello(const wire::host::Hello& hello);
  void welcome_app(const wire::host::Hello& hello);
  wire::host::Welcome welcome(wire::host::RequestId request) const;
  void on_app_message(const wire::host::Message& message, Fds fds);
  void on_control_message(const wire::host::Message& message, Fds fds);
  void follow(const wire::host::Follow& follow);

  void slow_down();
  /// Answers with a refusal and ends the connection.
  void refuse(wire::host::RequestId request, base::ErrorCode code, std::string_view message);
  /// Answers with a refusal; ends the connection when there were too many.
  void fault(wire::host::RequestId request, base::ErrorCode code, std::string_view message);

  std::unique_ptr<io::Seqpacket> socket_;
  const ConnectionParts& parts_;
  std::uint64_t number_;
  doze::AppId owner_;
  std::shared_ptr<const sys::Process> peer_;  // null before its hello
  AppRecord* app_ = nullptr;                  // role "app", while it is the app's sink
  std::uint64_t follower_ = 0;                // of the ledger; 0: it follows none
  int faults_ = 0;
  bool control_ = false;  // role "control"
  RateLimit rate_;
  std::unique_ptr<io::DeadlineTimer> pause_;  // only while nothing is read: a descriptor each
};

}  // namespace wakeline::host
