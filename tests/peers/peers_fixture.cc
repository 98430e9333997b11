// SPDX-License-Identifier: Apache-2.0
#include "peers_fixture.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "linux/cgroup.h"

namespace wakeline::peers {

std::string freezer() {
  if (const char* wanted = std::getenv("WAKELINE_PEERS_FREEZER")) return wanted;
  return sys::CgroupTree::choose("host-test") ? "cgroup" : "sigstop";
}

std::vector<std::string> PeersTest::run_command(const std::string& name,
                                                const std::vector<std::string>& options,
                                                const std::vector<std::string>& command) const {
  std::vector<std::string> whole = {WAKELINE_PROGRAM, "run",    "--runtime-folder",
                                    folder + "/run",  "--name", name};
  whole.insert(whole.end(), options.begin(), options.end());
  whole.emplace_back("--");
  whole.insert(whole.end(), command.begin(), command.end());
  return whole;
}

std::unique_ptr<PeerProgram> PeersTest::run_app(const std::string& name,
                                                const std::vector<std::string>& options,
                                                const std::vector<std::string>& command,
                                                const std::vector<std::string>& environment) {
  std::vector<std::string> more = {"--background"};
  more.insert(more.end(), options.begin(), options.end());
  return std::make_unique<PeerProgram>(run_command(name, more, command), file(name + ".log"),
                                       environment);
}

void PeersTest::expect_suspended(const std::string& app) {
  wait_ledger(app, "suspend");
  const pid_t pid = info(app).pid;
  EXPECT_TRUE(wait_frozen(pid, true)) << app << " runs";
}

std::string PeersTest::write(const std::string& name, const std::string& text) const {
  const std::filesystem::path path = file(name);
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << text;
  return path.string();
}

}  // namespace wakeline::peers
