// SPDX-License-Identifier: Apache-2.0
// Programs that know nothing of us, told of by a manifest: real ones, woken by their real sockets.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <csignal>

#include "host_fixture.h"
#include "linux/socket_scan.h"

namespace wakeline::host {
namespace {

class AnyProgram : public HostTest {
 protected:
  void write_program(const std::string& id, const std::string& exec, const std::string& keys) {
    write_file(id + ".desktop",
               "[Desktop Entry]\nType=Application\nName=" + id + "\nExec=" + exec + "\n" + keys);
  }
  std::string voip() const { return "X-Wakeline-Voip=tcp:" + std::to_string(port()) + "\n"; }
  std::string plain() const { return WAKELINE_PLAIN_PROGRAM " " + std::to_string(port()); }

  /// The program's next connection, and its pid.
  std::pair<PeerConnection, pid_t> accept_plain() {
    PeerConnection line(accept_connection());
    const std::string hello = line.expect("plain ");
    return {std::move(line), hello.empty() ? 0 : std::stoi(hello.substr(6))};
  }
  /// Rings it in its sleep; it answers, and sleeps again.
  void ring(PeerConnection& line, const std::string& id, const std::string& word) {
    line.command("ping " + word);
    EXPECT_EQ(line.expect("pong"), "pong " + word);
    wait_ledger(id, "wake", "socket_data");
    wait_ledger(id, "suspend");
  }
  /// An option of the program's one connection, read through a duplicate.
  int option(pid_t pid, int level, int name) {
    const auto scan = sys::scan_sockets({pid});
    EXPECT_TRUE(scan && scan->sockets.size() == 1);
    int value = -1;
    socklen_t size = sizeof value;
    if (scan && !scan->sockets.empty()) {
      ::getsockopt(scan->sockets[0].duplicate.get(), level, name, &value, &size);
    }
    return value;
  }
};
INSTANTIATE_TEST_SUITE_P(Freezer, AnyProgram, testing::Values("cgroup", "sigstop"), parameter_name);

TEST_P(AnyProgram, C36WakesABlockingProgramByItsOwnSocketAgainAndAgain) {
  write_program("plain", plain(), voip());
  start_host();
  auto [line, pid] = accept_plain();
  wait_ledger("plain", "tag", "tagged");
  wait_ledger("plain", "suspend");
  EXPECT_TRUE(wait_frozen(pid, true));
  for (const char* word : {"one", "two", "three"}) ring(line, "plain", word);
  EXPECT_TRUE(wait_frozen(pid, true));
  EXPECT_EQ(info("plain").tags, 1U);
}

TEST_P(AnyProgram, C5FindsTheConnectionThatItMadeAnew) {
  write_program("plain", plain(), voip());
  start_host();
  auto [line, pid] = accept_plain();
  wait_ledger("plain", "suspend");
  line.command("reconnect");
  PeerConnection again(accept_connection());
  EXPECT_EQ(again.expect("again"), "again");
  EXPECT_TRUE(line.ended());
  wait_ledger("plain", "untag", "gone");
  wait_ledger("plain", "tag", "tagged");
  wait_ledger("plain", "suspend");
  ring(again, "plain", "anew");
  EXPECT_EQ(info("plain").tags, 1U);
}

TEST_P(AnyProgram, C6IsNotWokenByAConnectionThatItsRuleDoesNotName) {
  PeerListener other;
  write_program("plain", plain() + " " + std::to_string(other.port()), voip());
  start_host();
  auto [line, pid] = accept_plain();
  PeerConnection ignored(other.accept());
  EXPECT_EQ(ignored.expect("other"), "other");
  wait_ledger("plain", "suspend");
  ignored.command("wake up");
  EXPECT_EQ(next_line("plain", 500ms), std::nullopt);
  EXPECT_TRUE(is_frozen(pid));
  ring(line, "plain", "one");
}

TEST_P(AnyProgram, TakesEveryConnectionWhereTheRuleIsAll) {
  PeerListener other;
  write_program("plain", plain() + " " + std::to_string(other.port()), "X-Wakeline-Voip=all\n");
  start_host();
  auto [line, pid] = accept_plain();
  PeerConnection second(other.accept());
  wait_ledger("plain", "suspend");
  EXPECT_EQ(info("plain").tags, 2U);
  // Nobody reads it: one wake when it comes, one for what is left unread, and no third (C11).
  second.command("never read");
  for (int wakes = 0; wakes < 2; ++wakes) {
    wait_ledger("plain", "wake", "socket_data");
    wait_ledger("plain", "suspend");
  }
  EXPECT_EQ(next_line("plain", 500ms), std::nullopt);
  ring(line, "plain", "one");
}

TEST_P(AnyProgram, C15GetsAWindowAtLeastAsOftenAsItsManifestSays) {
  write_program("plain", plain(), voip() + "X-Wakeline-KeepAlive=1\n");
  start_host();
  auto [line, pid] = accept_plain();
  wait_ledger("plain", "keep_alive", "set");
  for (int round = 0; round < 3; ++round) {
    wait_ledger("plain", "wake", "keep_alive");
    wait_ledger("plain", "suspend");
  }
  EXPECT_TRUE(wait_frozen(pid, true));
  ring(line, "plain", "one");
}

TEST_P(AnyProgram, C39SetsTheKernelsKeepAliveWhereItIsAskedTo) {
  write_program("plain", plain(), voip() + "X-Wakeline-TcpKeepAlive=240\n");
  start_host();
  auto [line, pid] = accept_plain();
  wait_ledger("plain", "suspend");
  EXPECT_EQ(option(pid, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(pid, IPPROTO_TCP, TCP_KEEPIDLE), 213);  // 240 at the latest
  EXPECT_EQ(option(pid, IPPROTO_TCP, TCP_KEEPINTVL), 10);
  EXPECT_EQ(option(pid, IPPROTO_TCP, TCP_KEEPCNT), 6);
  ring(line, "plain", "one");
}

TEST_P(AnyProgram, C7ChangesNoOptionOfASocketWithoutThatWish) {
  write_program("plain", plain(), voip());
  start_host();
  auto [line, pid] = accept_plain();
  wait_ledger("plain", "suspend");
  EXPECT_EQ(option(pid, SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(option(pid, IPPROTO_TCP, TCP_KEEPIDLE), 7'200);
  ring(line, "plain", "one");
}

TEST_P(AnyProgram, C10HearsTheEndOfItsConnectionAndIsNotRelaunchedAfterExitingWell) {
  write_program("plain", plain(), voip());
  start_host();
  auto [line, pid] = accept_plain();
  wait_ledger("plain", "suspend");
  line.close();
  wait_ledger("plain", "wake", "socket_end");
  wait_ledger("plain", "exit", "ok");
  EXPECT_EQ(next_line("plain", 500ms), std::nullopt);
}

TEST_P(AnyProgram, C23RelaunchesACrashedOneUnlessItAsksNotToBe) {
  write_program("again", plain(), voip());
  start_host();
  auto [line, pid] = accept_plain();
  line.command("crash");
  wait_ledger("again", "exit", "signal");
  auto [second, second_pid] = accept_plain();
  EXPECT_NE(second_pid, pid);
  write_program("once", plain(), voip() + "X-Wakeline-Relaunch=false\n");
  command(wire::host::Command::kLaunch, "once");
  auto [third, third_pid] = accept_plain();
  third.command("crash");
  wait_ledger("once", "exit", "signal");
  EXPECT_EQ(next_line("once", 700ms), std::nullopt);
}

TEST_P(AnyProgram, C24FindsInItsEnvironmentWhyItWasLaunched) {
  const auto told = [](PeerConnection& line) {
    line.command("variable WAKELINE_LAUNCH_REASON");
    line.command("variable WAKELINE_STATE");
    const std::string reason = line.expect("variable ").substr(9);
    return reason + " " + line.expect("variable ").substr(9);
  };
  write_program("plain", plain(), voip());
  start_host();
  auto [line, pid] = accept_plain();
  EXPECT_EQ(told(line), "boot background");
  line.command("crash");
  auto [again, again_pid] = accept_plain();
  EXPECT_EQ(told(again), "crash background");
  again.command("exit 0");
  wait_ledger("plain", "exit", "ok");
  command(wire::host::Command::kForeground, "plain");
  auto [shown, shown_pid] = accept_plain();
  EXPECT_EQ(told(shown), "user foreground");
}

TEST_P(AnyProgram, C2EndsAProgramThatExitsOnSuspend) {
  write_program("plain", plain(), voip() + "X-Wakeline-ExitsOnSuspend=true\n");
  start_host();
  auto [line, pid] = accept_plain();
  wait_ledger("plain", "kill", "exits_on_suspend");
  EXPECT_TRUE(line.ended());
  wait_ledger("plain", "exit");
  EXPECT_EQ(next_line("plain", 500ms), std::nullopt);
}

TEST_P(AnyProgram, IsTakenOverWithItsConnectionByTheNextHost) {
  write_program("plain", plain(), voip());
  start_host();
  auto [line, pid] = accept_plain();
  wait_ledger("plain", "suspend");
  kill_host();
  EXPECT_TRUE(wait_frozen(pid, false));
  start_host();
  wait_ledger("plain", "tag", "tagged");
  wait_ledger("plain", "suspend");
  EXPECT_EQ(info("plain").pid, pid);
  ring(line, "plain", "adopted");
}

TEST_P(AnyProgram, C8SuspendsAndWakesASocatWithItsChild) {
  write_program(
      "socat", "/usr/bin/socat TCP:127.0.0.1:" + std::to_string(port()) + " EXEC:/bin/cat", voip());
  start_host();
  PeerConnection line(accept_connection());
  wait_ledger("socat", "suspend");
  for (const char* word : {"one", "two"}) {
    line.command(word);
    EXPECT_EQ(line.expect(word), word);
    wait_ledger("socat", "wake", "socket_data");
    wait_ledger("socat", "suspend");
  }
}

TEST_P(AnyProgram, WakesAPythonProgramWithAnEventLoop) {
  write_file("echo.py", R"(import asyncio, sys
async def main():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    while line := await reader.readline():
        writer.write(line.upper())
asyncio.run(main())
)");
  write_program("python", "/usr/bin/python3 " + manifests + "/echo.py " + std::to_string(port()),
                voip());
  start_host();
  PeerConnection line(accept_connection());
  wait_ledger("python", "suspend");
  for (const char* word : {"one", "two"}) {
    line.command(word);
    EXPECT_EQ(line.expect(""), word == std::string("one") ? "ONE" : "TWO");
    wait_ledger("python", "wake", "socket_data");
    wait_ledger("python", "suspend");
  }
}

}  // namespace
}  // namespace wakeline::host
