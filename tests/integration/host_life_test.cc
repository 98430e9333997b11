// SPDX-License-Identifier: Apache-2.0
// Launch, death, the death of the host, and what is left of it.
#include <poll.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>

#include "base/random.h"
#include "host/ledger.h"
#include "host_fixture.h"
#include "io/clock.h"
#include "linux/proc.h"

namespace wakeline::host {
namespace {

using wire::host::AppState;
using wire::host::Command;

class HostLife : public HostTest {
 protected:
  /// Whether the process is gone, or at least a zombie.
  static bool is_gone(pid_t pid) {
    const auto stat = sys::read_proc_stat(pid);
    return !stat || stat->state == 'Z';
  }
};
INSTANTIATE_TEST_SUITE_P(Freezer, HostLife, testing::Values("cgroup", "sigstop"), parameter_name);

TEST_P(HostLife, RelaunchesACrashedAppInTheBackground) {  // C23, C24
  write_manifest("crash");
  start_host();
  TestApp app = accept_app();
  wait_ledger("crash", "suspend");
  app.line.command("crash");
  EXPECT_TRUE(app.line.ended());
  const auto exit = wait_ledger("crash", "exit");
  EXPECT_EQ(exit.reason, "signal");
  TestApp again = accept_app();
  EXPECT_EQ(again.report.expect("welcome"), "welcome crash crash background");
  wait_ledger("crash", "suspend");
  again.line.command("ping 1");
  EXPECT_EQ(again.line.expect("pong"), "pong 1");
}

TEST_P(HostLife, DoesNotRelaunchAnAppThatEndedByItself) {  // C23
  write_manifest("done");
  start_host();
  TestApp app = accept_app();
  app.report.expect("reply ok");
  app.report.command("exit 0");
  wait_ledger("done", "exit");
  EXPECT_EQ(next_line("done", 700ms), std::nullopt);
  EXPECT_EQ(info("done").state, AppState::kStopped);
  command(Command::kLaunch, "done");
  TestApp again = accept_app();
  EXPECT_EQ(again.report.expect("welcome"), "welcome done user background");
}

TEST_P(HostLife, RelaunchesAfterABadExitCode) {  // C23
  write_manifest("bad");
  start_host();
  TestApp app = accept_app();
  app.report.expect("reply ok");
  app.report.command("exit 7");
  wait_ledger("bad", "exit");
  TestApp again = accept_app();
  EXPECT_EQ(again.report.expect("welcome"), "welcome bad crash background");
}

TEST_P(HostLife, C23BacksOffFromAnAppThatDiesAgainAndAgain) {
  write_manifest("bad");
  start_host();
  // At once, then later and later up to the profile's most.
  for (const char* delay : {"", "100", "200", "400", "400"}) {
    TestApp app = accept_app();
    app.report.expect("reply ok");
    app.report.command("crash");
    wait_ledger("bad", "exit", "signal");
    if (*delay == '\0') continue;
    EXPECT_EQ(wait_ledger("bad", "relaunch_delayed", "quick_death").detail, delay);
  }
  EXPECT_EQ(accept_app().report.expect("welcome"), "welcome bad crash background");
}

TEST_P(HostLife, C16AHandlerEndsWithItsRunAndNoOtherAppsEndTouchesIt) {
  write_manifest("first");
  start_host();
  TestApp first = accept_app();
  tag_of(first);
  write_manifest("second");
  command(Command::kLaunch, "second");
  TestApp second = accept_app();
  tag_of(second);
  for (TestApp* app : {&first, &second}) {
    app->line.command("keepalive 5");
    app->report.expect("reply ok");
  }
  second.line.command("crash");
  TestApp again = accept_app();
  EXPECT_EQ(again.report.expect("welcome"), "welcome second crash background");
  tag_of(again);
  wait_ledger("second", "suspend");
  EXPECT_EQ(info("second").deadline_ms, 0U);
  EXPECT_GT(info("first").deadline_ms, 0U);
  EXPECT_EQ(first.report.expect("keepalive"), "keepalive 500");
}

TEST_P(HostLife, ClosesASleepingAppForTheUserAndLeavesItClosed) {  // C23, C24
  write_manifest("close");
  start_host();
  TestApp app = accept_app();
  wait_ledger("close", "suspend");
  command(Command::kClose, "close");
  EXPECT_TRUE(app.line.ended());
  wait_ledger("close", "exit");
  EXPECT_EQ(next_line("close", 700ms), std::nullopt);
  EXPECT_EQ(info("close").state, AppState::kStopped);
}

TEST_P(HostLife, C23WhatTheUserClosedIsStillClosedUnderTheNextHost) {
  write_manifest("close");
  write_manifest("stay");
  start_host();
  std::vector<TestApp> apps;
  for (int i = 0; i < 2; ++i) apps.push_back(accept_app());
  wait_ledger("close", "suspend");
  command(Command::kClose, "close");
  wait_ledger("close", "exit");
  EXPECT_EQ(info("close").state, AppState::kStopped);
  change_host(Change::kDeath);
  wait_ledger("stay", "launch", "adopted");
  EXPECT_EQ(next_line("close", 700ms), std::nullopt);
  EXPECT_EQ(info("close").state, AppState::kStopped);
  // The user starts it: from then on it is as any other.
  command(Command::kLaunch, "close");
  EXPECT_EQ(accept_app().report.expect("welcome"), "welcome close user background");
  wait_ledger("close", "launch", "user");
}

TEST_P(HostLife, C23WhatEndsBetweenTwoHostsStaysClosedToo) {
  write_manifest("close");
  write_manifest("stay");
  start_host();
  std::map<std::string, TestApp> apps;
  for (int i = 0; i < 2; ++i) {
    TestApp app = accept_app();
    const std::string welcome = app.report.expect("welcome");
    apps.emplace(welcome.find("close") == std::string::npos ? "stay" : "close", std::move(app));
  }
  TestApp& close = apps.at("close");
  close.report.command("stubborn");
  close.report.expect("stubborn");
  command(Command::kClose, "close");
  wait_ledger("close", "kill", "closed_by_user");
  EXPECT_EQ(info("close").pid, close.pid);
  kill_host();
  ::kill(close.pid, SIGKILL);
  EXPECT_TRUE(close.line.ended());
  start_host();
  wait_ledger("stay", "launch", "adopted");
  EXPECT_EQ(next_line("close", 700ms), std::nullopt);
  EXPECT_EQ(info("close").state, AppState::kStopped);
}

TEST_P(HostLife, ReleasesTheSocketsOfAnAppThatIsKilledInItsSleep) {  // C24
  write_manifest("killed");
  start_host();
  TestApp app = accept_app();
  wait_ledger("killed", "suspend");
  ::kill(app.pid, SIGKILL);
  EXPECT_TRUE(app.line.ended());
  wait_ledger("killed", "exit", "signal");
  TestApp again = accept_app();
  EXPECT_EQ(again.report.expect("welcome"), "welcome killed crash background");
}

TEST_P(HostLife, KillsAnAppThatDoesNotEndWithinTheGrace) {
  write_manifest("stubborn");
  start_host({"grace_ms=300"});
  TestApp app = accept_app();
  app.report.command("stubborn");
  app.report.expect("stubborn");
  wait_ledger("stubborn", "suspend");
  command(Command::kClose, "stubborn");
  EXPECT_TRUE(app.line.ended());
  wait_ledger("stubborn", "exit");
  command(Command::kLaunch, "stubborn");
  TestApp again = accept_app();
  again.report.command("stubborn");
  again.report.expect("stubborn");
  control.reset();
  daemon->signal(SIGTERM);
  EXPECT_EQ(daemon->wait(), 0);
  EXPECT_TRUE(is_gone(again.pid));
}

TEST_P(HostLife, SaysWhatIsWrongWithAManifestAndGoesOn) {
  write_file("bad.desktop", "[Desktop Entry]\nType=Application\nName=Bad\n");
  write_file("worse.desktop", "Name=Bad\n");
  write_manifest("good");
  start_host();
  TestApp app = accept_app();
  EXPECT_NE(host_log().find(manifests + "/bad.desktop:"), std::string::npos);
  EXPECT_NE(host_log().find(manifests + "/worse.desktop:"), std::string::npos);
  const auto none = control->command(Command::kLaunch, "bad");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, base::ErrorCode::kNotFound);
  // A manifest that comes later is found when it is asked for.
  write_manifest("late");
  command(Command::kLaunch, "late");
  TestApp late = accept_app();
  EXPECT_EQ(late.report.expect("welcome"), "welcome late user background");
}

TEST_P(HostLife, RecordsAProgramThatCannotBeStarted) {
  write_file("none.desktop",
             "[Desktop Entry]\nType=Application\nName=None\nExec=/nonexistent/program\n"
             "X-Wakeline-BackgroundModes=voip;\n");
  start_host();
  const auto line = wait_ledger("none", "exit", "launch_failed");
  EXPECT_NE(line.detail.find("/nonexistent/program"), std::string::npos);
}

TEST_P(HostLife, EndsItsAppsAndTakesItsThingsAwayWhenItIsAskedToEnd) {
  write_manifest("app");
  start_host();
  TestApp app = accept_app();
  wait_ledger("app", "suspend");
  const pid_t host = daemon->pid();
  control.reset();
  daemon->signal(SIGTERM);
  const int status = daemon->wait();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_TRUE(app.line.ended());
  EXPECT_TRUE(is_gone(app.pid));
  EXPECT_FALSE(std::filesystem::exists(folder + "/run/host.sock"));
  for (const auto& process : sys::list_processes()) EXPECT_NE(process.parent, host);
  auto reader = LedgerReader::open(folder + "/state");
  ASSERT_TRUE(reader);
  const auto lines = reader->newest(1);
  ASSERT_TRUE(lines && lines->size() == 1);
  EXPECT_EQ(lines->front().reason, "stopped");
}

TEST_P(HostLife, RefusesASecondHostOnTheSameFolder) {
  start_host();
  HostProcess second({"runtime=" + folder + "/run", "state=" + folder + "/state2",
                      "manifests=" + manifests, "freezer=" + GetParam()},
                     folder + "/second.log", false);
  EXPECT_FALSE(second.wait_ready());
  const int status = second.wait();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1) << status;
  EXPECT_TRUE(control->list());
}

TEST_P(HostLife, LeavesNothingFrozenWhenItIsKilledAndANewHostTakesOver) {
  write_manifest("adopt");
  start_host();
  TestApp app = accept_app();
  EXPECT_EQ(app.report.expect("welcome"), "welcome adopt boot background");
  wait_ledger("adopt", "suspend");
  const std::uint64_t seed = io::random_seed();
  SCOPED_TRACE(seed);
  base::Random random(seed);
  for (int round = 0; round < 6; ++round) {
    // At a random moment of wake, window, suspension and sleep.
    app.line.command("ping " + std::to_string(round));
    const auto moment = random.between(0ms, 600ms);
    ::poll(nullptr, 0, static_cast<int>(moment / 1ms));
    kill_host();
    EXPECT_TRUE(wait_frozen(app.pid, false)) << "round " << round;
    // Nobody suspends it now: it answers, also a second time.
    EXPECT_EQ(app.line.expect("pong"), "pong " + std::to_string(round));
    app.line.command("ping again");
    EXPECT_EQ(app.line.expect("pong"), "pong again");
    start_host();
    EXPECT_EQ(app.report.expect("welcome"), "welcome adopt adopted background");
    wait_ledger("adopt", "tag");
    wait_ledger("adopt", "suspend");
    EXPECT_TRUE(is_frozen(app.pid));
    EXPECT_EQ(info("adopt").pid, app.pid);
  }
  // The adopted app is no child of this host; its end is noticed all the same.
  app.line.command("crash");
  wait_ledger("adopt", "exit");
  TestApp again = accept_app();
  EXPECT_EQ(again.report.expect("welcome"), "welcome adopt crash background");
}

}  // namespace
}  // namespace wakeline::host
