// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "host_fixture.h"
#include "peer_program.h"

namespace wakeline::peers {

using namespace std::chrono_literals;

/// The freezer that this machine has: "cgroup", else "sigstop"; $WAKELINE_PEERS_FREEZER decides
/// otherwise.
std::string freezer();

/// The host of `host_fixture.h` for foreign programs. For a suite:
///   INSTANTIATE_TEST_SUITE_P(Peers, MyTest, testing::Values(freezer()), host::parameter_name);
class PeersTest : public host::HostTest {
 protected:
  /// `wakeline run --name NAME OPTIONS -- COMMAND`
  std::vector<std::string> run_command(const std::string& name,
                                       const std::vector<std::string>& options,
                                       const std::vector<std::string>& command) const;
  /// Runs that with --background; the program's output is the log.
  std::unique_ptr<PeerProgram> run_app(const std::string& name,
                                       const std::vector<std::string>& options,
                                       const std::vector<std::string>& command,
                                       const std::vector<std::string>& environment = {});
  /// Waits for the next suspension in the ledger, and looks whether the kernel says the same.
  void expect_suspended(const std::string& app);
  std::string file(const std::string& name) const { return folder + "/" + name; }
  /// Writes a file of the test's folder, with the folders on its way. Returns: its path.
  std::string write(const std::string& name, const std::string& text) const;
};

}  // namespace wakeline::peers
