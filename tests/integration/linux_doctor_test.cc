// SPDX-License-Identifier: Apache-2.0
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "linux/cgroup.h"
#include "linux/doctor.h"
#include "linux/folders.h"
#include "linux/reclaim.h"
#include "linux_desktop.h"
#include "linux_fixture.h"
#include "linux_mock.h"

namespace wakeline::sys {
namespace {

TEST(Doctor, ExaminesEverythingAndLeavesNothingBehind) {
  const auto folder = CgroupTree::choose("host");
  const std::string parent = folder ? folder->substr(0, folder->rfind('/')) : "/sys/fs/cgroup";
  const auto probes = examine({});
  for (const auto& name : folders_in(parent)) {
    EXPECT_NE(name, "wakeline-doctor-" + std::to_string(::getpid()));
  }
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";

  std::vector<std::string> names;
  for (const auto& probe : probes) {
    names.push_back(probe.name);
    const bool fine = probe.state == ProbeState::kOk;
    EXPECT_FALSE(probe.found.empty()) << probe.name;
    EXPECT_EQ(probe.fallback.empty(), fine) << probe.name << ": " << probe.fallback;
    EXPECT_EQ(probe.remedy.empty(), fine) << probe.name << ": " << probe.remedy;
  }
  EXPECT_EQ(names, (std::vector<std::string>{"kernel", "cgroup", "pidfd_getfd", "yama", "files",
                                             "priority", "alarm", "sleep", "network", "calls",
                                             "reclaim", "session_bus"}));
}

TEST(Doctor, AgreesWithTheFreezerOnTheMechanism) {
  const auto freezer = Freezer::open({.name = test::unique_name("doctor")});
  ASSERT_OK(freezer);
  const bool usable = probe_cgroup({}).state != ProbeState::kMissing;
  EXPECT_EQ((*freezer)->mechanism(), usable ? "cgroup" : "sigstop");
  EXPECT_EQ(probe_cgroup({.host_name = "host", .cgroup_parent = "/tmp"}).state,
            ProbeState::kMissing);
}

// Without privileges the probes say so; they are not a list of what exists somewhere.
TEST(Doctor, TellsAnUnprivilegedUserWhatIsMissing) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && (::setgid(65'534) != 0 || ::setuid(65'534) != 0)) ::_exit(1);
    if (probe_alarm().state != ProbeState::kMissing) ::_exit(2);
    const auto cgroup = probe_cgroup({});
    if (cgroup.state == ProbeState::kMissing && !cgroup.remedy.starts_with("systemd-run")) {
      ::_exit(3);
    }
    if (probe_pidfd_getfd().state != ProbeState::kOk) ::_exit(4);
    const auto network = probe_network();
    if (network.state != ProbeState::kDegraded) ::_exit(5);
    if (network.remedy.find("CAP_NET_ADMIN") == std::string::npos) ::_exit(6);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Doctor, FindsWhoTellsOfTheMachinesSleepAndOfCalls) {
  const char* kVariable = "DBUS_SYSTEM_BUS_ADDRESS";
  test::BusDaemon daemon;
  ::setenv(kVariable, daemon.address().c_str(), 1);
  EXPECT_EQ(probe_sleep().found, "no logind is on the system bus");
  {
    const test::MockLogind logind(daemon.address());
    const auto probe = probe_sleep();
    EXPECT_EQ(probe.state, ProbeState::kOk) << probe.found;
  }
  {
    const test::MockService ofono(daemon.address(), "org.ofono", {"--template", "ofono"});
    EXPECT_EQ(probe_calls().found, "org.ofono tells of telephone calls");
  }
  daemon.kill();
  EXPECT_EQ(probe_sleep().state, ProbeState::kDegraded);
  ::unsetenv(kVariable);
}

TEST(Doctor, SaysOfMemoryWhatTheMachineHas) {
  const auto probe = probe_reclaim();
  EXPECT_EQ(probe.found == "this machine has no swap", !free_swap_percent());
  EXPECT_EQ(probe.state == ProbeState::kOk, probe.found.ends_with("may be given back"));
}

TEST(Doctor, FindsTheNotificationServerOfTheSession) {
  const char* kVariable = "DBUS_SESSION_BUS_ADDRESS";
  const char* old = ::getenv(kVariable);
  const std::string before = old ? old : "";
  test::BusDaemon daemon;
  ::setenv(kVariable, daemon.address().c_str(), 1);
  // The private bus reads the machine's service files: one of them may start a server.
  const auto alone = probe_session_bus();
  const bool activatable = alone.found == "the session bus starts a notification server on demand";
  EXPECT_EQ(alone.state, activatable ? ProbeState::kOk : ProbeState::kDegraded);
  {
    test::DesktopServer server(daemon.address(), {});
    const auto probe = probe_session_bus();
    EXPECT_EQ(probe.state, ProbeState::kOk);
    EXPECT_EQ(probe.found, "a notification server is on the session bus");
  }
  daemon.kill();
  EXPECT_EQ(probe_session_bus().state, ProbeState::kMissing);
  old ? ::setenv(kVariable, before.c_str(), 1) : ::unsetenv(kVariable);
}

}  // namespace
}  // namespace wakeline::sys
