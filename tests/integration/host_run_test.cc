// SPDX-License-Identifier: Apache-2.0
// `wakeline run` with real programs, under a real host.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "host_fixture.h"
#include "linux/proc.h"
#include "linux/process.h"
#include "linux/socket_scan.h"

namespace wakeline::host {
namespace {

using wire::host::AppState;
using wire::host::Command;

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class AnyProgramRun : public HostTest {
 protected:
  /// `wakeline run ARGUMENTS`, its output in the file `output()`.
  pid_t run(std::vector<std::string> arguments, const std::vector<std::string>& environment = {}) {
    sys::SpawnOptions options;
    options.command = {WAKELINE_PROGRAM, "run", "--runtime-folder", folder + "/run"};
    options.command.insert(options.command.end(), arguments.begin(), arguments.end());
    options.environment = sys::inherit_environment(environment);
    options.working_directory = folder;
    const io::UniqueFd out(
        ::open(output().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    options.output = out.get();
    auto process = sys::spawn(options);
    EXPECT_TRUE(process) << base::to_string(process.error());
    if (!process) return 0;
    pidfd_ = std::move(process->pidfd);
    return process->pid;
  }
  std::string output() const { return folder + "/output"; }

  /// The exit code of `run`; -1, and a test failure, when it does not end.
  int wait_run() {
    pollfd wait{pidfd_.get(), POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(kPatience / 1ms)) != 1) {
      ADD_FAILURE() << "run does not end; it said: " << text_of(output());
      std::ignore = sys::send_signal(pidfd_.get(), SIGKILL);
    }
    const auto exit = sys::take_exit(pidfd_.get());
    return exit && !exit->signaled ? exit->code : -1;
  }

  std::vector<std::string> plain(std::vector<std::string> options) const {
    options.insert(options.end(),
                   {"--name", "plain", "--", WAKELINE_PLAIN_PROGRAM, std::to_string(port())});
    return options;
  }
  std::string voip() const { return "--voip=tcp:" + std::to_string(port()); }
  PeerConnection accept_plain() {
    PeerConnection line(accept_connection());
    const std::string hello = line.expect("plain ");
    pid = hello.empty() ? 0 : std::stoi(hello.substr(6));
    return line;
  }
  void ring(PeerConnection& line, const std::string& word) {
    line.command("ping " + word);
    EXPECT_EQ(line.expect("pong"), "pong " + word);
    wait_ledger("plain", "wake", "socket_data");
    wait_ledger("plain", "suspend");
  }
  bool is_listed(const std::string& id) {
    const auto apps = control->list();
    EXPECT_TRUE(apps);
    return apps && std::ranges::any_of(*apps, [&](const auto& app) { return app.app == id; });
  }

  pid_t pid = 0;

 private:
  io::UniqueFd pidfd_;
};
INSTANTIATE_TEST_SUITE_P(Freezer, AnyProgramRun, testing::Values("cgroup", "sigstop"),
                         parameter_name);

TEST_P(AnyProgramRun, SuspendsItInTheBackgroundAndWakesItByAByte) {
  start_host();
  run(plain({voip(), "--background"}));
  PeerConnection line = accept_plain();
  wait_ledger("plain", "launch", "user");
  wait_ledger("plain", "suspend");
  EXPECT_TRUE(wait_frozen(pid, true));
  for (const char* word : {"one", "two"}) ring(line, word);
  line.command("exit 9");
  EXPECT_EQ(wait_run(), 9);
  wait_ledger("plain", "exit", "status");
  EXPECT_EQ(text_of(output()), "started\n");
  EXPECT_FALSE(is_listed("plain"));
  EXPECT_TRUE(std::filesystem::is_empty(folder + "/run/run"));
}

TEST_P(AnyProgramRun, C15C39TakesEveryWordThatAManifestHas) {
  start_host();
  run(plain({"--voip", "all", "--keep-alive", "600", "--tcp-keepalive", "240", "--background"}));
  PeerConnection line = accept_plain();
  EXPECT_EQ(wait_ledger("plain", "keep_alive", "set").detail, "600");
  wait_ledger("plain", "tag", "tagged");
  wait_ledger("plain", "suspend");
  const auto scan = sys::scan_sockets({pid});
  ASSERT_TRUE(scan && scan->sockets.size() == 1);
  int idle = 0;
  socklen_t size = sizeof idle;
  ::getsockopt(scan->sockets[0].duplicate.get(), IPPROTO_TCP, TCP_KEEPIDLE, &idle, &size);
  EXPECT_EQ(idle, 213);  // 240 at the latest
  ring(line, "one");
}

TEST_P(AnyProgramRun, C22WaitsForTheFirstConnectionOfAProgramThatStartsSlowly) {
  start_host({"set:launch_window=20s"});
  // It begins when it has been put off twice: longer than the window of a launch.
  const std::string gate = folder + "/gate";
  ASSERT_EQ(::mkfifo(gate.c_str(), 0600), 0);
  run({voip(), "--background", "--name", "plain", "--", "/bin/sh", "-c",
       "read -r word < " + gate + "; exec " WAKELINE_PLAIN_PROGRAM " " + std::to_string(port())});
  for (int i = 0; i < 2; ++i) wait_ledger("plain", "suspend_failed", "busy");
  std::ofstream(gate) << "go\n";
  PeerConnection line = accept_plain();
  wait_ledger("plain", "suspend");
  ring(line, "one");
}

TEST_P(AnyProgramRun, LeavesItAloneInTheForegroundUntilItIsSentToTheBackground) {
  start_host();
  run(plain({voip()}));
  PeerConnection line = accept_plain();
  EXPECT_EQ(info("plain").state, AppState::kForeground);
  line.command("ping one");
  EXPECT_EQ(line.expect("pong"), "pong one");
  EXPECT_FALSE(is_frozen(pid));
  command(Command::kBackground, "plain");
  wait_ledger("plain", "suspend");
  ring(line, "two");
  command(Command::kForeground, "plain");
  wait_ledger("plain", "foreground");
  EXPECT_TRUE(wait_frozen(pid, false));
  line.command("exit 0");
  EXPECT_EQ(wait_run(), 0);
}

TEST_P(AnyProgramRun, GivesItItsCallersEnvironmentAndFolder) {
  start_host();
  run(plain({}), {"PLAIN_VARIABLE=a b;c=\n\"d\""});
  PeerConnection line = accept_plain();
  line.command("folder");
  EXPECT_EQ(line.expect("folder"), "folder " + std::filesystem::canonical(folder).string());
  line.command("variable PLAIN_VARIABLE");
  EXPECT_EQ(line.expect("variable"), "variable a b;c=");
  EXPECT_EQ(line.expect("\"d\""), "\"d\"");
  line.command("exit 0");
  EXPECT_EQ(wait_run(), 0);
}

TEST_P(AnyProgramRun, PassesTheProgramsWordsAsTheyAre) {
  start_host();
  // Options of ours among them, and what a parser of options may take for a list or an end.
  const std::vector<std::string> words = {"%s|",   "--background", "--name", "x", "--",
                                          "[a,b]", "{}",           "--help", "",  "-h"};
  for (std::vector<std::string> arguments :
       {std::vector<std::string>{"--name", "words", "printf"},
        std::vector<std::string>{"--name", "words", "--", "printf"}}) {
    arguments.insert(arguments.end(), words.begin(), words.end());
    run(arguments);
    EXPECT_EQ(wait_run(), 0);
    EXPECT_EQ(text_of(output()), "--background|--name|x|--|[a,b]|{}|--help||-h|");
    wait_ledger("words", "exit", "ok");
  }
}

TEST_P(AnyProgramRun, PassesSignalsOnToASleepingProgram) {
  start_host();
  for (const auto& [number, code] : {std::pair{SIGINT, 40}, std::pair{SIGTERM, 41}}) {
    const pid_t caller = run(plain({voip(), "--background"}));
    PeerConnection line = accept_plain();
    line.command("polite");
    EXPECT_EQ(line.expect("polite"), "polite");
    wait_ledger("plain", "suspend");
    EXPECT_TRUE(wait_frozen(pid, true));
    ::kill(caller, number);
    EXPECT_EQ(wait_run(), code);
    wait_ledger("plain", "exit", "status");
  }
}

TEST_P(AnyProgramRun, SaysHowItEndedBySignalAndDoesNotRelaunchIt) {
  start_host();
  run(plain({voip(), "--background"}));
  PeerConnection line = accept_plain();
  wait_ledger("plain", "suspend");
  ::kill(pid, SIGKILL);
  EXPECT_EQ(wait_run(), 128 + SIGKILL);
  EXPECT_TRUE(line.ended());
  wait_ledger("plain", "exit", "signal");
  EXPECT_FALSE(is_listed("plain"));
}

TEST_P(AnyProgramRun, ClosesItForTheUser) {
  start_host();
  run(plain({voip(), "--background"}));
  PeerConnection line = accept_plain();
  wait_ledger("plain", "suspend");
  command(Command::kClose, "plain");
  EXPECT_EQ(wait_run(), 128 + SIGTERM);
  EXPECT_TRUE(line.ended());
}

TEST_P(AnyProgramRun, LetsItRunOnWhenItsCallerIsKilled) {
  start_host();
  const pid_t caller = run(plain({voip(), "--background"}));
  PeerConnection line = accept_plain();
  wait_ledger("plain", "suspend");
  ::kill(caller, SIGKILL);
  EXPECT_EQ(wait_run(), -1);
  ring(line, "one");
  command(Command::kClose, "plain");
  wait_ledger("plain", "exit");
}

TEST_P(AnyProgramRun, IsTakenOverByTheNextHostAndStillTellsItsCallerOfTheEnd) {
  start_host();
  run(plain({voip(), "--background"}));
  PeerConnection line = accept_plain();
  wait_ledger("plain", "suspend");
  kill_host();
  EXPECT_TRUE(wait_frozen(pid, false));
  start_host();
  wait_ledger("plain", "suspend");
  EXPECT_EQ(info("plain").pid, pid);
  ring(line, "adopted");
  line.command("exit 0");
  // Which host was its parent is told by newer kernels alone.
  const int code = wait_run();
  EXPECT_TRUE(code == 0 || code == 125) << code;
  EXPECT_FALSE(is_listed("plain"));
}

TEST_P(AnyProgramRun, ForgetsWhatEndedWhileThereWasNoHost) {
  start_host();
  run(plain({voip(), "--background"}));
  PeerConnection line = accept_plain();
  wait_ledger("plain", "suspend");
  kill_host();
  EXPECT_TRUE(wait_frozen(pid, false));
  line.command("exit 0");
  EXPECT_TRUE(line.ended());
  EXPECT_EQ(wait_run(), 125);
  start_host();
  EXPECT_FALSE(is_listed("plain"));
  EXPECT_TRUE(std::filesystem::is_empty(folder + "/run/run"));
}

TEST_P(AnyProgramRun, SaysWhatIsWrong) {
  run({"--", "true"});
  EXPECT_EQ(wait_run(), 125);
  EXPECT_NE(text_of(output()).find("wakeline host"), std::string::npos) << text_of(output());
  start_host();
  const struct {
    std::vector<std::string> arguments;
    int code;
    const char* told;
  } cases[] = {
      {{"--", "/nonexistent/program"}, 127, "/nonexistent/program"},
      {{"--", "/etc/passwd"}, 126, "/etc/passwd"},
      {{"--name", "No Name", "--", "true"}, 2, "'No Name'"},
      {{"--voip", "udp:1", "--", "true"}, 2, "'udp:1'"},
      {{"--tcp-keepalive", "60", "--", "true"}, 2, "--voip"},
      {{"--voip", "all", "--keep-alive", "0", "--", "true"}, 2, "--keep-alive"},
      {{"--bakground", "true"}, 2, "--bakground"},
      {{}, 2, "program"},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.told);
    run(one.arguments);
    EXPECT_EQ(wait_run(), one.code);
    EXPECT_NE(text_of(output()).find(one.told), std::string::npos) << text_of(output());
  }
  // The profile's least, which this host has set to a second.
  kill_host();
  start_host({"set:keep_alive_min=600s"});
  run({"--keep-alive", "599", "--", "true"});
  EXPECT_EQ(wait_run(), 125);
  EXPECT_NE(text_of(output()).find("600 s"), std::string::npos) << text_of(output());
}

TEST_P(AnyProgramRun, TakesOneProgramOfANameAtATime) {
  start_host();
  run(plain({}));
  PeerConnection line = accept_plain();
  const auto second = control->run(
      [] {
        wire::Manifest manifest;
        manifest.id = manifest.name = "plain";
        manifest.command = {"true"};
        return manifest;
      }(),
      false);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, base::ErrorCode::kAlreadyExists);
  line.command("exit 0");
  EXPECT_EQ(wait_run(), 0);
}

}  // namespace
}  // namespace wakeline::host
