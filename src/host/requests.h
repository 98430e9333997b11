// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "host/driver.h"
#include "host/notices.h"
#include "io/unique_fd.h"
#include "linux/process.h"
#include "wire/host_message.h"

namespace wakeline::host {

/// What one connected app asks for. Each call answers one message; the caller sends the answer.
class AppRequests {
 public:
  /// `peer`: the process at the other end of its connection.
  AppRequests(Driver& driver, Notices& notices, AppRecord& app,
              std::shared_ptr<const sys::Process> peer)
      : driver_(driver), notices_(notices), app_(app), peer_(std::move(peer)) {}

  /// `fds` came beside the message; they are closed when the call returns.
  wire::host::Reply handle(const wire::host::Tag& tag, std::vector<io::UniqueFd> fds);
  wire::host::Reply handle(const wire::host::Untag& untag);
  wire::host::Reply handle(const wire::host::QueryTag& query);
  wire::host::Reply handle(const wire::host::BeginTask& begin);
  wire::host::Reply handle(const wire::host::EndTask& end);
  wire::host::Reply handle(const wire::host::QueryTime& query);
  wire::host::Reply handle(const wire::host::SetKeepAlive& set);
  wire::host::Reply handle(const wire::host::KeepAliveDone& done);
  wire::host::Reply handle(const wire::host::SetAudioSession& set);
  wire::host::Reply handle(const wire::host::RequestWake& wanted);
  wire::host::Reply handle(const wire::host::CancelWake& cancel);
  wire::host::Reply handle(const wire::host::Notify& notify);

 private:
  /// The socket's cookie, when the descriptor that rode along can be tagged by this app (C4).
  base::Result<std::uint64_t> inspect(int passed, int number) const;

  Driver& driver_;
  Notices& notices_;
  AppRecord& app_;
  std::shared_ptr<const sys::Process> peer_;
};

/// What to do about an error, for the app's author.
std::string advice(base::ErrorCode code);
/// A refusal with its advice.
wire::host::Reply refusal(wire::host::RequestId request, base::ErrorCode code);

}  // namespace wakeline::host
