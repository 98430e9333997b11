// SPDX-License-Identifier: Apache-2.0
// What a host that was killed, or that has become a newer program, still knows of its apps.
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "host/ledger.h"
#include "host_fixture.h"
#include "io/clock.h"
#include "linux/proc.h"

namespace wakeline::host {
namespace {

using wire::host::AppState;
using wire::host::Command;

class HostRestart : public HostTest {
 protected:
  std::size_t descriptors() const {
    const std::string path = "/proc/" + std::to_string(daemon->pid()) + "/fd";
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path)) count += entry.exists();
    return count;
  }
  /// A second in an hour: what is used up does not come back within the test.
  const std::vector<std::string> short_time = {"set:run_budget=1s", "set:run_budget_span=1h"};
  TestApp use_up_running_time() {
    write_manifest("chain");
    start_host(short_time);
    TestApp app = accept_app();
    app.report.expect("welcome");
    wait_ledger("chain", "suspend");
    const base::Instant end = io::now() + kPatience;
    for (bool waits = false; !waits && io::now() < end;) {
      app.line.command("ping 1");
      while (const auto line = next_line("chain", 100ms)) waits |= line->event == "wake_delayed";
    }
    return app;
  }
  void expect_no_running_time(TestApp& app) {
    wait_ledger("chain", "tag");
    wait_ledger("chain", "suspend");
    app.line.command("ping 2");
    const auto delayed = wait_ledger("chain", "wake_delayed", "socket_data");
    EXPECT_GT(std::stoll("0" + delayed.detail), 60'000) << delayed.detail;
  }
  /// Whether the ledger's file has such a line of the host itself.
  bool written(const std::string& app, const std::string& event, const std::string& reason) const {
    auto reader = LedgerReader::open(folder + "/state");
    if (!reader) return false;
    const auto lines = reader->newest(100);
    return lines && std::ranges::any_of(*lines, [&](const auto& line) {
             return line.app == app && line.event == event && line.reason == reason;
           });
  }
};
INSTANTIATE_TEST_SUITE_P(Freezer, HostRestart, testing::Values("cgroup", "sigstop"),
                         parameter_name);

TEST_P(HostRestart, AnAppInTheForegroundIsStillThereUnderTheNextHost) {
  write_manifest("front");
  start_host();
  TestApp app = accept_app();
  EXPECT_EQ(app.report.expect("welcome"), "welcome front boot background");
  command(Command::kForeground, "front");
  EXPECT_EQ(app.report.expect("state"), "state foreground");
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(info("front").state, AppState::kForeground);
    kill_host();
    start_host();
    EXPECT_EQ(app.report.expect("welcome"), "welcome front adopted foreground");
    EXPECT_EQ(info("front").state, AppState::kForeground);
  }
  // And only until it is sent to the background: the next host knows that as well.
  command(Command::kBackground, "front");
  EXPECT_EQ(app.report.expect("state"), "state background");
  EXPECT_EQ(info("front").state, AppState::kBackground);
  kill_host();
  start_host();
  EXPECT_EQ(app.report.expect("welcome"), "welcome front adopted background");
  wait_ledger("front", "suspend");
}

TEST_P(HostRestart, C15TheDeathOfAHostGivesNoKeepAliveHandlerMoreTime) {  // C18
  write_manifest("beat");
  start_host();
  TestApp app = accept_app();
  tag_of(app);
  app.report.command("keepalive 6");
  const base::Instant set = io::now();
  app.report.expect("reply ok");
  wait_ledger("beat", "suspend");
  EXPECT_EQ(info("beat").state, AppState::kSuspended);
  kill_host();
  start_host();
  app.report.expect("welcome");
  // As if it had been asked for at first now.
  app.report.command("keepalive 600");
  app.report.expect("keepalive ");
  EXPECT_LT(io::now() - set, 8s);
  wait_ledger("beat", "keep_alive", "due");
}

TEST_P(HostRestart, C13AnAppThatUsedUpItsWakesIsLimitedUnderTheNextHostToo) {
  const std::vector<std::string> options = {"set:limit_wakes=3", "set:limit_delay_first=100ms"};
  write_manifest("often");
  start_host(options);
  TestApp app = accept_app();
  app.report.expect("welcome");
  wait_ledger("often", "suspend");
  int wakes = 0;
  while (wakes < 3) {
    app.line.command("ping " + std::to_string(++wakes));
    EXPECT_EQ(wait_ledger("often", "wake", "socket_data").detail, std::to_string(wakes));
    wait_ledger("often", "suspend");
  }
  for (const Change how : {Change::kUpgrade, Change::kDeath}) {
    change_host(how, options);
    app.report.expect("welcome");
    wait_ledger("often", "tag");
    wait_ledger("often", "suspend");
    app.line.command("ping " + std::to_string(++wakes));
    wait_ledger("often", "wake_delayed", "socket_data");
    // Counted on, and late but not lost.
    EXPECT_EQ(wait_ledger("often", "wake", "socket_data").detail, std::to_string(wakes));
    app.line.expect("pong " + std::to_string(wakes));
    wait_ledger("often", "suspend");
  }
}

TEST_P(HostRestart, C14AnAppThatUsedUpItsRunningTimeHasNoneUnderTheNextHost) {
  TestApp app = use_up_running_time();
  for (const Change how : {Change::kUpgrade, Change::kDeath}) {
    change_host(how, short_time);
    app.report.expect("welcome");
    expect_no_running_time(app);
  }
}

TEST_P(HostRestart, C14AnAppThatDidNotRunWhenItsHostEndedHasNoMoreTimeThanItHad) {
  TestApp app = use_up_running_time();
  for (const Change how : {Change::kUpgrade, Change::kDeath}) {
    command(Command::kForeground, "chain");
    app.report.command("exit 0");
    wait_ledger("chain", "exit", "ok");
    EXPECT_EQ(info("chain").state, AppState::kStopped);
    change_host(how, short_time);
    // The machine's start launches it, and so does a host that knows of nothing before it.
    if (how == Change::kUpgrade) command(Command::kLaunch, "chain");
    app = accept_app();
    app.report.expect("welcome");
    expect_no_running_time(app);
  }
}

TEST_P(HostRestart, C40AWakeThatWasAskedForComesInItsTimeUnderTheNextHost) {
  write_manifest("timer");
  start_host();
  TestApp app = accept_app();
  app.report.expect("reply ok");
  app.report.command("raw " + *wire::host::encode(wire::host::RequestWake{9, 7'000, 8'000}));
  const auto asked = wait_ledger("timer", "wake_request", "asked");
  wait_ledger("timer", "suspend");
  for (const Change how : {Change::kUpgrade, Change::kDeath}) {
    change_host(how);
    app.report.expect("welcome");
    wait_ledger("timer", "tag");
    // It does not ask again.
    wait_ledger("timer", "suspend");
  }
  const auto wake = wait_ledger("timer", "wake", "wake_request");
  EXPECT_GE(wake.wall_ns - asked.wall_ns, 7'000'000'000);
  EXPECT_LT(wake.wall_ns - asked.wall_ns, 10'000'000'000);
  EXPECT_TRUE(app.report.expect("woken").starts_with("woken wake_request"));
}

TEST_P(HostRestart, BecomesANewerProgramWithoutTouchingItsApps) {  // C23: the ended one stays so
  write_manifest("stay");
  start_host();
  TestApp stay = accept_app();
  tag_of(stay);
  write_manifest("front");
  command(Command::kForeground, "front");
  TestApp front = accept_app();
  front.report.expect("welcome");
  write_manifest("ended");
  command(Command::kLaunch, "ended");
  TestApp ended = accept_app();
  ended.report.command("exit 0");
  wait_ledger("ended", "exit", "ok");
  wait_ledger("stay", "suspend");
  const pid_t host = daemon->pid();
  const std::size_t open = descriptors();
  for (int round = 0; round < 3; ++round) {
    upgrade_host();
    EXPECT_TRUE(written("", "host", "upgrading"));
    EXPECT_EQ(daemon->pid(), host);
    EXPECT_EQ(stay.report.expect("welcome"), "welcome stay adopted background");
    EXPECT_EQ(front.report.expect("welcome"), "welcome front adopted foreground");
    wait_ledger("stay", "tag");
    wait_ledger("stay", "suspend");
    EXPECT_TRUE(is_frozen(stay.pid));
    EXPECT_EQ(info("stay").pid, stay.pid);
    EXPECT_EQ(info("front").pid, front.pid);
    EXPECT_EQ(info("front").state, AppState::kForeground);
    EXPECT_EQ(info("ended").state, AppState::kStopped);
    // The very connections of before.
    stay.line.command("ping 1");
    EXPECT_EQ(stay.line.expect("pong"), "pong 1");
    wait_ledger("stay", "wake", "socket_data");
    front.line.command("ping 2");
    EXPECT_EQ(front.line.expect("pong"), "pong 2");
    wait_ledger("stay", "suspend");
  }
  // Of three upgrades nothing is left over.
  EXPECT_LE(descriptors(), open + 2);
  // They are its children still, so it learns how they end.
  front.line.command("crash");
  EXPECT_EQ(wait_ledger("front", "exit", "signal").detail, std::to_string(SIGABRT));
  TestApp again = accept_app();
  EXPECT_EQ(again.report.expect("welcome"), "welcome front crash background");
}

TEST_P(HostRestart, GoesOnAsItWasWhereTheUpgradeFails) {
  const std::pair<std::string, std::string> failures[] = {
      {"successor_check=/bin/false", "/bin/false ended with status 1"},
      {"successor=/nonexistent/program", "/nonexistent/program: "}};
  for (const auto& [option, why] : failures) {
    write_manifest("app");
    start_host({option});
    TestApp app = accept_app();
    tag_of(app);
    wait_ledger("app", "suspend");
    daemon->signal(SIGHUP);
    EXPECT_TRUE(wait_ledger("", "host", "upgrade_failed").detail.starts_with(why)) << option;
    EXPECT_TRUE(is_frozen(app.pid));
    app.line.command("ping 1");
    EXPECT_EQ(app.line.expect("pong"), "pong 1");
    wait_ledger("app", "wake", "socket_data");
    control.reset();
    daemon.reset();
  }
}

TEST_P(HostRestart, EndsWithItsAppsWhenItIsToldToBetweenTwoPrograms) {
  write_manifest("app");
  const std::string next = folder + "/next";
  std::ofstream(next) << "#!/bin/sh\nkill -TERM $$\nexec " WAKELINE_HOST_PROGRAM " runtime="
                      << folder << "/run state=" << folder << "/state manifests=" << manifests
                      << " freezer=" << GetParam() << " notifier=terminal grace_ms=2000\n";
  std::filesystem::permissions(next, std::filesystem::perms::owner_all);
  start_host({"successor=" + next});
  TestApp app = accept_app();
  tag_of(app);
  wait_ledger("app", "suspend");
  daemon->signal(SIGHUP);
  EXPECT_EQ(daemon->wait(), 0);
  EXPECT_TRUE(app.line.ended());
  EXPECT_TRUE(written("", "host", "stopped"));
}

TEST_P(HostRestart, BecomesNothingNewOnceItIsEnding) {
  write_manifest("app");
  start_host();
  TestApp app = accept_app();
  tag_of(app);
  app.report.command("stubborn");
  app.report.expect("stubborn");
  daemon->signal(SIGTERM);
  wait_ledger("", "host", "stopping");
  daemon->signal(SIGHUP);
  EXPECT_EQ(daemon->wait(), 0);
  EXPECT_TRUE(app.line.ended());
  EXPECT_FALSE(written("", "host", "upgrading"));
}

TEST_P(HostRestart, ADecisionIsInTheLedgersFileBeforeAnybodyIsToldOfIt) {
  write_manifest("kept");
  start_host();
  TestApp app = accept_app();
  tag_of(app);
  wait_ledger("kept", "suspend");
  // So long that the lines before it have their commit.
  EXPECT_EQ(next_line("kept", 200ms), std::nullopt);
  command(Command::kClose, "kept");
  wait_ledger("kept", "closed");
  daemon->signal(SIGKILL);
  EXPECT_TRUE(written("kept", "closed", "user"));
  EXPECT_TRUE(written("kept", "kill", "closed_by_user"));
  kill_host();
}

}  // namespace
}  // namespace wakeline::host
