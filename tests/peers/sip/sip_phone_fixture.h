// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "peers_fixture.h"
#include "sip_peers.h"

namespace wakeline::peers {

/// baresip, unmodified, under `wakeline run`.
class SipPhoneTest : public PeersTest {
 protected:
  /// Registered and suspended.
  void start_phone(Registrar& registrar, const PhoneOptions& options = {},
                   const std::vector<std::string>& more = {}) {
    std::vector<std::string> run = {
        fmt::format("--voip=tcp:{},{}", registrar.tcp(), registrar.tls())};
    run.insert(run.end(), more.begin(), more.end());
    phone = run_app("phone", run, baresip(folder, "alice", registrar, options));
    phone->wait_line("200 OK");
    expect_suspended("phone");
  }
  /// One call that is answered and ended. Returns: from INVITE to 180.
  std::chrono::microseconds ring(Registrar& registrar, const CallOptions& options = {}) {
    const auto caller = call(folder, registrar, "alice", options);
    const auto rung = registrar.next_ring();
    phone->wait_line("Call established");
    EXPECT_EQ(caller->wait(), 0) << caller->output();
    phone->wait_line("session closed");
    return rung;
  }

  std::unique_ptr<PeerProgram> phone;
};

}  // namespace wakeline::peers
