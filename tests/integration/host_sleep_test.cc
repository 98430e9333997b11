// SPDX-License-Identifier: Apache-2.0
// Suspension and waking, on real processes and sockets.
#include <unistd.h>

#include "base/random.h"
#include "host_fixture.h"
#include "io/clock.h"

namespace wakeline::host {
namespace {

using wire::host::AppState;
using wire::host::Command;

class HostSleep : public HostTest {};
INSTANTIATE_TEST_SUITE_P(Freezer, HostSleep, testing::Values("cgroup", "sigstop"), parameter_name);

TEST_P(HostSleep, SuspendsAQuietAppAndWakesItByOneLineWithoutLosingAByte) {  // C7, C8, C9
  write_manifest("ring");
  start_host();
  TestApp app = accept_app();
  EXPECT_EQ(app.report.expect("welcome"), "welcome ring boot background");
  const std::string tag = tag_of(app);
  wait_ledger("ring", "suspend", "quiet");
  EXPECT_TRUE(is_frozen(app.pid));
  const auto before = info("ring");
  EXPECT_EQ(before.state, AppState::kSuspended);
  EXPECT_EQ(before.tags, 1U);
  EXPECT_EQ(before.pid, app.pid);

  for (int i = 0; i < 3; ++i) {
    app.line.command("ping " + std::to_string(i));
    EXPECT_EQ(app.line.expect("pong"), "pong " + std::to_string(i));
    EXPECT_EQ(app.report.expect("woken"), "woken socket_data " + tag + " 1000");
    const auto wake = wait_ledger("ring", "wake", "socket_data");
    EXPECT_GT(wake.latency_ns, 0);
    EXPECT_LT(wake.latency_ns, 1'000'000'000);
    wait_ledger("ring", "suspend", "quiet");
  }
  EXPECT_EQ(info("ring").wakes, before.wakes + 3);
}

TEST_P(HostSleep, UsesNoCpuTimeWhileItIsSuspended) {  // C8
  write_manifest("busy");
  start_host();
  TestApp app = accept_app();
  wait_ledger("busy", "suspend");
  // Asleep in the midst of work: it spins from now on, and is suspended when its window is over.
  app.line.command("spin");
  wait_ledger("busy", "wake", "socket_data");
  const auto asleep = wait_ledger("busy", "suspend", "window_over");
  EXPECT_GT(asleep.cpu_us, 100'000U);
  EXPECT_EQ(next_line("busy", 500ms), std::nullopt);
  // The kernel calls it frozen a little before it leaves its processor.
  constexpr std::uint64_t kLeavingUs = 10'000;
  EXPECT_GE(info("busy").cpu_us, asleep.cpu_us);
  EXPECT_LE(info("busy").cpu_us, asleep.cpu_us + kLeavingUs);
}

TEST_P(HostSleep, TakesAnAppForBusyWhoseRequestItHasNotReadYet) {  // C8, C12
  write_manifest("asks");
  start_host({"set:linger=1s", "set:sample_interval=20ms", "set:wake_window=20s"});
  TestApp app = accept_app();
  const std::string tag = tag_of(app);
  wait_ledger("asks", "suspend");
  app.line.command("ping 1");
  wait_ledger("asks", "wake");
  EXPECT_EQ(app.line.expect("pong"), "pong 1");
  // Each look is a turn of the host: after some it knows how much the app had used.
  const std::uint64_t before = daemon->voluntary_switches();
  while (daemon->voluntary_switches() < before + 4) ::usleep(1'000);
  daemon->signal(SIGSTOP);
  // The time passes at which a quiet app is suspended; then it asks. Of the host's timer and the
  // request the timer was first, and so it is when the host goes on.
  while (app.report.line(1'200ms)) continue;
  app.report.command("query " + tag);
  app.report.command("ping 2");
  EXPECT_EQ(app.report.expect("pong"), "pong 2");
  daemon->signal(SIGCONT);
  app.report.expect("reply ok 1");
  EXPECT_FALSE(is_frozen(app.pid));
  wait_ledger("asks", "suspend", "quiet");
}

/// Without a cgroup a look is a walk through /proc, whose length varies more than a test can meet.
class HostSleepByCgroup : public HostTest {};
INSTANTIATE_TEST_SUITE_P(Freezer, HostSleepByCgroup, testing::Values("cgroup"), parameter_name);

TEST_P(HostSleepByCgroup, TakesASuspensionBackBeforeWhichTheAppHasAskedSomething) {  // C8, C12
  constexpr int kRoundsMax = 3'000;
  write_manifest("asks");
  start_host({"set:linger=0ms", "set:sample_interval=5ms", "set:wake_window=20s"});
  TestApp app = accept_app();
  tag_of(app);
  wait_ledger("asks", "suspend");
  int unanswered = 0;
  const auto ask_after = [&](std::chrono::microseconds wait) {
    app.line.command("later " + std::to_string(wait.count()));
    ++unanswered;
    for (;;) {
      const auto line = next_line("asks", kPatience);
      if (!line || line->event == "suspend" || line->event == "suspend_failed") return line;
    }
  };
  // It asks about when the host takes it for quiet: later where the answer came, else sooner.
  std::chrono::microseconds wait = 10ms;
  base::Random random(1);
  bool taken_back = false;
  for (int round = 0; round < kRoundsMax && !taken_back; ++round) {
    const auto line = ask_after(wait + std::chrono::microseconds(random.below(2'000)));
    ASSERT_TRUE(line);
    taken_back = line->event == "suspend_failed";
    EXPECT_EQ(line->reason, taken_back ? "busy" : "quiet");
    for (auto text = app.report.line(0ms); text; text = app.report.line(0ms)) {
      if (text->starts_with("reply ok")) --unanswered;
    }
    wait += unanswered == 0 ? 200us : -200us;
  }
  ASSERT_TRUE(taken_back);
  // Every answer is read, also the last one, and nothing has woken the app for it.
  for (; unanswered > 0; --unanswered) app.report.expect("reply ok");
  wait_ledger("asks", "suspend", "quiet");
}

TEST_P(HostSleep, WakesAtTheEndOfTheConnection) {  // C10
  write_manifest("end");
  start_host();
  TestApp app = accept_app();
  wait_ledger("end", "suspend");
  app.line.close();
  wait_ledger("end", "wake", "socket_end");
  EXPECT_EQ(app.report.expect("line "), "line ended");
}

TEST_P(HostSleep, WakesAtAReset) {  // C10, C7: the app reads its own error
  write_manifest("reset");
  start_host();
  TestApp app = accept_app();
  wait_ledger("reset", "suspend");
  app.line.reset();
  wait_ledger("reset", "wake", "socket_error");
  EXPECT_EQ(app.report.expect("line "), "line error");
}

TEST_P(HostSleep, GivesUnreadDataOneMoreWakeAndThenOnlyNewDataWakes) {  // C11
  write_manifest("lazy");
  start_host();
  TestApp app = accept_app();
  wait_ledger("lazy", "suspend");
  app.line.command("hold");
  wait_ledger("lazy", "wake", "socket_data");
  app.line.expect("holding");
  wait_ledger("lazy", "suspend");
  // From here on it reads nothing more.
  app.line.send("x");
  wait_ledger("lazy", "wake", "socket_data");
  wait_ledger("lazy", "suspend");
  wait_ledger("lazy", "wake", "socket_data");
  wait_ledger("lazy", "suspend");
  EXPECT_EQ(next_line("lazy", 1s), std::nullopt);
  app.line.send("y");
  const auto wake = next_line("lazy", kPatience);
  ASSERT_TRUE(wake);
  EXPECT_EQ(wake->event + " " + wake->reason, "wake socket_data");
}

TEST_P(HostSleep, LeavesNoDuplicateThatWouldHoldBackTheAppsOwnClose) {  // C24, C5
  write_manifest("closer");
  start_host();
  TestApp app = accept_app();
  wait_ledger("closer", "suspend");
  app.line.command("ping 1");
  app.line.expect("pong");
  wait_ledger("closer", "suspend");
  app.line.command("close");
  // The window is still open when the FIN comes: nobody waited for a suspension.
  EXPECT_TRUE(app.line.ended());
  EXPECT_EQ(info("closer").state, AppState::kBackground);
  wait_ledger("closer", "untag");
  EXPECT_EQ(info("closer").tags, 0U);
}

TEST_P(HostSleep, SleepsAndWakesWithManyConnections) {  // C6
  write_manifest("many");
  start_host();
  TestApp app = accept_app();
  std::vector<PeerConnection> lines;
  wait_ledger("many", "tag");
  for (int i = 0; i < 3; ++i) {
    app.report.command("open");
    lines.emplace_back(accept_connection());
    lines.back().expect("line ");
    wait_ledger("many", "tag");
  }
  wait_ledger("many", "suspend");
  EXPECT_EQ(info("many").tags, 4U);
  // The app reads only its newest line; any of them wakes it.
  app.line.send("x");
  wait_ledger("many", "wake", "socket_data");
}

TEST_P(HostSleep, LosesNoByteThatComesAtARandomMoment) {  // C11
  write_manifest("random");
  // The shortest sleeps: most sends meet a suspension under way.
  start_host({"set:linger=20ms", "set:sample_interval=10ms"});
  TestApp app = accept_app();
  wait_ledger("random", "suspend");
  const std::uint64_t seed = io::random_seed();
  SCOPED_TRACE(seed);
  base::Random random(seed);
  // On a loaded machine an app falls asleep between two sends less often, so it takes more of them.
  for (int i = 0; i < 150 || (i < 3'000 && info("random").wakes <= 20); ++i) {
    ::usleep(static_cast<useconds_t>(random.between(0ms, 40ms) / 1us));
    app.line.command("ping " + std::to_string(i));
    ASSERT_EQ(app.line.expect("pong"), "pong " + std::to_string(i));
  }
  EXPECT_GT(info("random").wakes, 20U);
}

TEST_P(HostSleep, WakesAnAppThatReadsByIoUring) {
  // A frozen task still completes its receive: then the data is in the ring, and the socket is
  // silent.
  write_manifest("ring");
  start_host();
  TestApp app = accept_app();
  tag_of(app);
  app.report.command("ring");
  app.report.expect("ring");
  for (int i = 0; i < 10; ++i) {
    wait_ledger("ring", "suspend", "quiet");
    app.line.command("ping " + std::to_string(i));
    ASSERT_EQ(app.line.expect("pong"), "pong " + std::to_string(i));
    wait_ledger("ring", "wake", "socket_data");
  }
}

TEST_P(HostSleep, DelaysWakesOverTheLimit) {  // C13
  write_manifest("often");
  start_host({"set:limit_wakes=2", "set:limit_delay_first=300ms"});
  TestApp app = accept_app();
  for (int i = 0; i < 3; ++i) {
    wait_ledger("often", "suspend");
    app.line.command("ping " + std::to_string(i));
    if (i == 2) wait_ledger("often", "wake_delayed", "socket_data");
    wait_ledger("often", "wake", "socket_data");
    EXPECT_EQ(app.line.expect("pong"), "pong " + std::to_string(i));
  }
}

TEST_P(HostSleep, StaysAwakeInTheForegroundAndDuringATask) {  // C8, C20
  write_manifest("front");
  start_host();
  TestApp app = accept_app();
  wait_ledger("front", "suspend");
  command(Command::kForeground, "front");
  wait_ledger("front", "foreground");
  EXPECT_EQ(app.report.expect("state"), "state foreground");
  EXPECT_EQ(next_line("front", 700ms), std::nullopt);
  app.report.command("task");
  const std::string task = number_of(app.report.expect("reply ok"));
  command(Command::kBackground, "front");
  EXPECT_EQ(app.report.expect("state"), "state background");
  wait_ledger("front", "background");
  EXPECT_EQ(next_line("front", 700ms), std::nullopt);
  app.report.command("endtask " + task);
  wait_ledger("front", "task_end");
  wait_ledger("front", "suspend");
}

TEST_P(HostSleep, KillsAnAppWhoseTaskOutlivesThePool) {  // C21
  write_manifest("task");
  start_host();
  TestApp app = accept_app();
  app.report.expect("reply ok");
  app.report.command("task");
  app.report.expect("reply ok");
  app.report.expect("expire");
  wait_ledger("task", "kill");
  wait_ledger("task", "exit");
  EXPECT_TRUE(app.line.ended());
}

TEST_P(HostSleep, RunsTheKeepAliveHandlerOfASuspendedApp) {  // C15, C17
  write_manifest("alive");
  start_host();
  TestApp app = accept_app();
  app.report.expect("reply ok");
  app.report.command("keepalive 0");
  app.report.expect("reply ok");
  app.report.command("keepalive 2");
  app.report.expect("reply ok");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(app.report.expect("keepalive"), "keepalive 500");
    wait_ledger("alive", "keep_alive");
    wait_ledger("alive", "suspend");
  }
}

TEST_P(HostSleep, RefusesTagAndKeepAliveWithoutTheBackgroundMode) {  // C1
  write_manifest("plain", "");
  start_host();
  command(Command::kLaunch, "plain");
  TestApp app = accept_app();
  EXPECT_EQ(app.report.expect("reply").substr(0, 20), "reply not_declared 0");
  app.report.command("keepalive 600");
  EXPECT_EQ(app.report.expect("reply").substr(0, 20), "reply not_declared 0");
  wait_ledger("plain", "refuse", "not_declared");
}

TEST_P(HostSleep, MakesNoWakeupOfItsOwnWhileAllSleep) {
  write_manifest("a");
  start_host();
  TestApp first = accept_app();
  write_manifest("b");
  command(Command::kLaunch, "b");
  TestApp second = accept_app();
  for (const char* id : {"a", "b"}) {
    while (info(id).state != AppState::kSuspended) {
      ASSERT_TRUE(next_line(id, kPatience));
    }
  }
  // What the suspension still entails comes to its end: lines are told and committed, orphans of
  // the start are looked for.
  for (int lines = 0; lines < 100 && *control->next_line(1500ms); ++lines) continue;
  const std::uint64_t switches = daemon->voluntary_switches();
  EXPECT_FALSE(*control->next_line(4s));
  EXPECT_EQ(daemon->voluntary_switches(), switches);
  EXPECT_EQ(info("a").state, AppState::kSuspended);
  EXPECT_EQ(info("b").state, AppState::kSuspended);
}

}  // namespace
}  // namespace wakeline::host
