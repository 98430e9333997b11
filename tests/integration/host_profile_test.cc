// SPDX-License-Identifier: Apache-2.0
// The rules that differ by profile, with shortened times: linux, ios and ios-classic.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "host_fixture.h"
#include "io/clock.h"
#include "linux/doctor.h"

namespace wakeline::host {
namespace {

using wire::host::AppState;

class HostProfile : public HostTest {
 protected:
  /// Wakes the app once and waits until it sleeps again.
  void ring(const std::string& id, TestApp& app, int number) {
    app.line.command("ping " + std::to_string(number));
    wait_ledger(id, "wake", "socket_data");
    EXPECT_EQ(app.line.expect("pong"), "pong " + std::to_string(number));
    wait_ledger(id, "suspend");
  }
};
INSTANTIATE_TEST_SUITE_P(Freezer, HostProfile, testing::Values("cgroup", "sigstop"),
                         parameter_name);

TEST_P(HostProfile, C13IosKillsAnAppThatWakesTooOftenAndRelaunchesIt) {  // C23
  write_manifest("often");
  start_host({"profile=ios", "set:limit_wakes=3"});
  TestApp app = accept_app();
  wait_ledger("often", "suspend");
  for (int i = 1; i <= 3; ++i) {
    app.line.command("ping " + std::to_string(i));
    // The count is in the ledger before the limit is reached.
    EXPECT_EQ(wait_ledger("often", "wake", "socket_data").detail, std::to_string(i));
    wait_ledger("often", "suspend");
  }
  app.line.command("ping 4");
  wait_ledger("often", "kill", "wake_limit");
  wait_ledger("often", "exit", "signal");
  TestApp again = accept_app();
  EXPECT_EQ(again.report.expect("welcome"), "welcome often crash background");
}

TEST_P(HostProfile, C13IosClassicKnowsNoLimit) {
  write_manifest("often");
  start_host({"profile=ios-classic", "set:limit_wakes=1", "set:linger=0ms"});
  TestApp app = accept_app();
  wait_ledger("often", "suspend");
  for (int i = 0; i < 4; ++i) ring("often", app, i);
}

TEST_P(HostProfile, C10IosClassicDoesNotWakeAtTheEndOfAConnection) {
  write_manifest("end");
  start_host({"profile=ios-classic"});
  TestApp app = accept_app();
  wait_ledger("end", "suspend");
  app.line.close();
  EXPECT_EQ(next_line("end", 1s), std::nullopt);
  EXPECT_EQ(info("end").state, AppState::kSuspended);
}

TEST_P(HostProfile, C10IosWakesAtTheEndOfAConnection) {
  write_manifest("end");
  start_host({"profile=ios"});
  TestApp app = accept_app();
  wait_ledger("end", "suspend");
  app.line.close();
  wait_ledger("end", "wake", "socket_end");
}

TEST_P(HostProfile, C12LingersAwakeUntilItHasBeenQuiet) {
  write_manifest("linger");
  start_host({"set:linger=400ms", "set:wake_window=5s"});
  TestApp app = accept_app();
  wait_ledger("linger", "suspend");
  app.line.command("ping 1");
  const auto wake = wait_ledger("linger", "wake", "socket_data");
  const auto asleep = wait_ledger("linger", "suspend", "quiet");
  EXPECT_GE(asleep.wall_ns - wake.wall_ns, 400'000'000);
}

TEST_P(HostProfile, C14AnAppThatKeepsItselfAwakeUsesUpItsTimeAndIsWokenStill) {
  write_manifest("chain");
  start_host({"set:run_budget=3s", "set:run_budget_span=15s"});
  TestApp app = accept_app();
  wait_ledger("chain", "suspend");
  // Its server answers within every window, so that one wake never ends by itself.
  const base::Instant deadline = io::now() + kPatience;
  bool used_up = false;
  for (int i = 0; !used_up && io::now() < deadline; ++i) {
    app.line.command("ping " + std::to_string(i));
    while (const auto line = next_line("chain", 100ms)) used_up |= line->event == "run_budget";
  }
  EXPECT_TRUE(used_up);
  app.line.command("ping last");
  while (const auto line = app.line.line()) {
    if (*line == "pong last") return;
  }
  ADD_FAILURE() << "the last byte was lost";
}

TEST_P(HostProfile, C14IosLetsAnAnswerInEveryWindowKeepAnAppAwake) {
  write_manifest("chain");
  start_host({"profile=ios"});
  TestApp app = accept_app();
  wait_ledger("chain", "suspend");
  app.line.command("ping 0");
  wait_ledger("chain", "wake", "socket_data");
  // Three windows long; a late answer on a loaded machine may let it sleep, no more.
  for (int i = 1; i <= 30; ++i) {
    ::poll(nullptr, 0, 100);
    app.line.command("ping " + std::to_string(i));
    EXPECT_EQ(app.line.expect("pong " + std::to_string(i)), "pong " + std::to_string(i));
  }
  while (const auto line = next_line("chain", 10ms)) EXPECT_NE(line->event, "run_budget");
}

TEST_P(HostProfile, C15RefusesATimeoutBelowTheLeastAndInstallsNothing) {
  for (const char* profile : {"linux", "ios", "ios-classic"}) {
    const std::string id = std::string("short-") + profile;
    write_manifest(id);
    start_host({std::string("profile=") + profile, "set:keep_alive_min=600s"});
    TestApp app = accept_app();
    tag_of(app);
    app.line.command("keepalive 599");
    EXPECT_EQ(app.report.expect("reply").substr(0, 15), "reply too_short");
    wait_ledger(id, "refuse", "too_short");
    EXPECT_EQ(info(id).deadline_ms / 60'000, 0U);
    app.line.command("keepalive 600");
    EXPECT_EQ(app.report.expect("reply"), "reply ok 0 ");  // none was there to be replaced
    control.reset();
    daemon.reset();
    std::remove((manifests + "/" + id + ".desktop").c_str());
  }
}

TEST_P(HostProfile, C20TellsTheTimeThatIsLeftAndInTheForegroundThatItHasNoEnd) {
  write_manifest("time");
  start_host({"set:task_pool=20s"});
  TestApp app = accept_app();
  tag_of(app);
  const auto left = [&] {
    app.line.command("raw " + *wire::host::encode(wire::host::QueryTime{9}));
    return std::stoull("0" + number_of(app.report.expect("reply ok")));
  };
  EXPECT_EQ(left(), 20'000U);
  app.line.command("task");
  app.report.expect("reply ok");
  const auto first = left();
  EXPECT_LE(first, 20'000U);
  EXPECT_GT(first, 0U);
  EXPECT_LE(left(), first);  // it runs on
  command(wire::host::Command::kForeground, "time");
  app.report.expect("state foreground");
  EXPECT_EQ(left(), wire::host::kTimeUnlimited);
  command(wire::host::Command::kBackground, "time");
  app.report.expect("state background");
  EXPECT_LE(left(), 20'000U);
}

TEST_P(HostProfile, C16ASecondHandlerReplacesTheFirstAndClearingStopsIt) {
  write_manifest("alive");
  start_host();
  TestApp app = accept_app();
  app.report.expect("reply ok");
  app.report.command("keepalive 600");
  EXPECT_EQ(app.report.expect("reply ok"), "reply ok 0 ");
  app.report.command("keepalive 2");
  EXPECT_EQ(app.report.expect("reply ok"), "reply ok 1 ");
  app.report.expect("keepalive");
  app.report.expect("reply ok");
  app.report.command("keepalive 0");
  wait_ledger("alive", "keep_alive", "cleared");
  wait_ledger("alive", "suspend");
  EXPECT_EQ(next_line("alive", 3s), std::nullopt);
}

TEST_P(HostProfile, C17AHandlerOverItsBudgetIsSuspended) {
  for (const char* profile : {"linux", "ios"}) {
    const std::string id = std::string("late-") + profile;
    write_manifest(id);
    start_host({std::string("profile=") + profile});
    TestApp app = accept_app();
    app.report.expect("reply ok");
    app.report.command("overrun");
    app.report.expect("overrun");
    app.report.command("keepalive 2");
    wait_ledger(id, "keep_alive", "due");
    wait_ledger(id, "keep_alive_overrun", "suspended");
    wait_ledger(id, "suspend");
    control.reset();
    daemon.reset();
    std::remove((manifests + "/" + id + ".desktop").c_str());
  }
}

TEST_P(HostProfile, C17AHandlerOverItsBudgetIsTerminatedInTheClassicProfile) {
  write_manifest("late");
  start_host({"profile=ios-classic"});
  TestApp app = accept_app();
  app.report.expect("reply ok");
  app.report.command("overrun");
  app.report.expect("overrun");
  app.report.command("keepalive 2");
  wait_ledger("late", "keep_alive_overrun", "killed");
  wait_ledger("late", "kill", "keep_alive_overrun");
  TestApp again = accept_app();
  EXPECT_EQ(again.report.expect("welcome"), "welcome late crash background");
}

TEST_P(HostProfile, C18SaysAtItsStartWhereItCannotWakeTheMachine) {
  start_host();
  // The host has the rights of this process, on this machine.
  const sys::Probe probe = sys::probe_alarm();
  const bool told =
      host_log().find("keep-alive: " + probe.found + "; " + probe.fallback) != std::string::npos;
  EXPECT_EQ(told, probe.state != sys::ProbeState::kOk) << host_log();
}

TEST_P(HostProfile, C18TwoAppsShareOneWakeForTheirHandlers) {
  write_manifest("first");
  start_host();
  TestApp first = accept_app();
  first.report.expect("reply ok");
  write_manifest("second");
  command(wire::host::Command::kLaunch, "second");
  TestApp second = accept_app();
  second.report.expect("reply ok");
  first.report.command("keepalive 4");
  second.report.command("keepalive 6");
  // The second one would be late at the first one's next time: it runs with this one.
  const auto merged = wait_ledger("second", "keep_alive", "merged");
  EXPECT_GT(std::stoi(merged.detail), 0);
  EXPECT_EQ(second.report.expect("keepalive"), "keepalive 500");
}

TEST_P(HostProfile, C19ReconnectsADeadLineInTheHandlerAndIsWokenByTheNewOne) {
  write_manifest("mend");
  start_host();
  TestApp app = accept_app();
  app.report.expect("reply ok");
  app.report.command("mend");
  app.report.expect("mend");
  app.report.command("keepalive 2");
  PeerConnection line(accept_connection());
  line.expect("line ");
  EXPECT_TRUE(app.line.ended());
  wait_ledger("mend", "tag", "tagged");
  app.report.command("keepalive 0");
  wait_ledger("mend", "keep_alive", "cleared");
  wait_ledger("mend", "suspend");
  line.command("ping 1");
  wait_ledger("mend", "wake", "socket_data");
}

TEST_P(HostProfile, C20C21EachProfileHasItsPoolAndKillsAtItsEnd) {
  for (const char* profile : {"ios", "ios-classic"}) {
    const std::string id = std::string("pool-") + profile;
    write_manifest(id);
    start_host({std::string("profile=") + profile});
    TestApp app = accept_app();
    app.report.expect("reply ok");
    app.report.command("task");
    app.report.expect("expire");
    wait_ledger(id, "task_expired", "pool_empty");
    wait_ledger(id, "kill", "tasks_expired");
    const TestApp again = accept_app();  // C23; else the next host's app would be behind it
    control.reset();
    daemon.reset();
    std::remove((manifests + "/" + id + ".desktop").c_str());
  }
}

TEST_P(HostProfile, C4LinuxLetsAUdpSocketWakeItsApp) {
  write_manifest("udp");
  start_host();
  TestApp app = accept_app();
  tag_of(app);
  app.report.command("udp");
  const std::string port = app.report.expect("udp ").substr(4);
  app.report.expect("reply ok");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
  const io::UniqueFd peer(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  for (int i = 0; i < 3; ++i) {
    wait_ledger("udp", "suspend");
    const std::string text = "call " + std::to_string(i);
    ASSERT_GT(::sendto(peer.get(), text.data(), text.size(), 0,
                       reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
    wait_ledger("udp", "wake", "socket_data");
    EXPECT_EQ(app.report.expect("datagram"), "datagram " + text);
  }
}

TEST_P(HostProfile, C40TheFaithfulProfilesRefuseWakeRequests) {
  for (const char* profile : {"ios", "ios-classic"}) {
    const std::string id = std::string("wake-") + profile;
    write_manifest(id);
    start_host({std::string("profile=") + profile});
    TestApp app = accept_app();
    app.report.expect("reply ok");
    app.report.command("raw " + *wire::host::encode(wire::host::RequestWake{9, 1'000, 2'000}));
    EXPECT_EQ(app.report.expect("reply").substr(0, 17), "reply not_allowed");
    wait_ledger(id, "refuse", "not_allowed");
    control.reset();
    daemon.reset();
    std::remove((manifests + "/" + id + ".desktop").c_str());
  }
}

}  // namespace
}  // namespace wakeline::host
