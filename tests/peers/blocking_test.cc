// SPDX-License-Identifier: Apache-2.0
// Clients that block in a read of their socket, as they come, and what keeps one awake.
#include <poll.h>

#include "peers_fixture.h"

namespace wakeline::peers {
namespace {

/// A shell with its own TCP: `read` blocks in the socket.
constexpr const char* kShellClient =
    "exec 3<>/dev/tcp/127.0.0.1/$0; while read -r -u 3 line; do echo \"got $line\"; "
    "echo next >&3; done; echo over";
/// A thread that blocks in recv, and a main thread that does nothing.
constexpr const char* kThreadClient = R"(
import socket, sys, threading
def read():
    line = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    while data := line.recv(4096):
        print("got", data.decode().strip(), flush=True)
        line.sendall(b"next\n")
    print("over", flush=True)
reader = threading.Thread(target=read)
reader.start()
reader.join()
)";

class BlockingPeers : public PeersTest {
 protected:
  std::string rule() const { return "tcp:" + std::to_string(port()); }
  void ring(const std::string& app, const std::vector<std::string>& command) {
    const auto program = run_app(app, {"--voip", rule()}, command);
    host::PeerConnection line(accept_connection());
    expect_suspended(app);
    ring_over(line, app, *program);
    line.close();
    program->wait_line("over");
    EXPECT_EQ(program->wait(), 0);
  }
  void ring_over(host::PeerConnection& line, const std::string& app, PeerProgram& output) {
    for (const char* word : {"one", "two"}) {
      line.command(word);
      wait_ledger(app, "wake", "socket_data");
      output.wait_line(std::string("got ") + word);
      EXPECT_EQ(line.expect("next"), "next");
      expect_suspended(app);
    }
    EXPECT_EQ(info(app).wakes, 2U);
  }
};
INSTANTIATE_TEST_SUITE_P(Peers, BlockingPeers, testing::Values(freezer()), host::parameter_name);

TEST_P(BlockingPeers, AShellThatReadsItsSocketIsWokenAndSeesNoInterruption) {  // C7, C9
  start_host();
  ring("shell", {"bash", "-c", kShellClient, std::to_string(port())});
}

TEST_P(BlockingPeers, APythonThreadInRecvIsWokenAndSeesNoInterruption) {  // C7, C9
  start_host({"set:launch_window=20s"});
  ring("thread", {"/usr/bin/python3", "-c", kThreadClient, std::to_string(port())});
}

TEST_P(BlockingPeers, AThreadOfCInRecvIsWokenAsItIs) {  // C7, C9
  start_host();
  ring("client", {WAKELINE_BLOCKING_CLIENT, std::to_string(port())});
}

TEST_P(BlockingPeers, AThreadOfCInRecvIsWokenWithOneLineOfTheLibrary) {  // C4, C7, C9
  write_file("tagged.desktop",
             "[Desktop Entry]\nType=Application\nName=Tagged\nExec=/bin/sh -c \"exec " +
                 std::string(WAKELINE_TAGGED_CLIENT) + " " + std::to_string(port()) + " >> " +
                 file("tagged.log") + "\"\nX-Wakeline-BackgroundModes=voip;\n");
  write("tagged.log", "");
  start_host();
  PeerProgram output({"tail", "-n", "+1", "-f", file("tagged.log")}, file("tail.log"));
  host::PeerConnection line(accept_connection());
  wait_ledger("tagged", "tag");
  expect_suspended("tagged");
  ring_over(line, "tagged", output);
  line.close();
  wait_ledger("tagged", "wake", "socket_end");
  wait_ledger("tagged", "exit", "ok");
  output.wait_line("over");
  EXPECT_EQ(output.count_lines("untagged"), 0);
}

// The server answers after nine tenths of the window, again and again.
class KeepAwakeChain : public BlockingPeers {
 protected:
  static constexpr int kAnswerMs = 1'800;

  void answer_late(host::PeerConnection& line, int number) {
    ::poll(nullptr, 0, kAnswerMs);  // the delay is the server's part of the chain
    line.command(std::to_string(number));
    EXPECT_EQ(line.expect("next"), "next");
  }
  static std::vector<std::string> windows() {
    return {"set:wake_window=2s", "set:linger=2s", "set:launch_window=20s"};
  }
};
INSTANTIATE_TEST_SUITE_P(Peers, KeepAwakeChain, testing::Values(freezer()), host::parameter_name);

TEST_P(KeepAwakeChain, C14KeepsTheProgramAwakeInTheFaithfulProfileAndTheLedgerShowsIt) {
  auto options = windows();
  options.emplace_back("profile=ios");
  start_host(options);
  const auto program =
      run_app("chain", {"--voip", rule()}, {"bash", "-c", kShellClient, std::to_string(port())});
  host::PeerConnection line(accept_connection());
  expect_suspended("chain");
  line.command("0");
  wait_ledger("chain", "wake", "socket_data");
  EXPECT_EQ(line.expect("next"), "next");
  constexpr int kAnswers = 4;
  for (int i = 1; i <= kAnswers; ++i) answer_late(line, i);
  const auto asleep = wait_ledger("chain", "suspend");
  EXPECT_GE(asleep.awake_us, kAnswers * kAnswerMs * 1'000U);
  EXPECT_EQ(info("chain").wakes, 1U) << "the chain was broken";
}

TEST_P(KeepAwakeChain, C14IsBoundedInTheProfileLinux) {
  auto options = windows();
  options.insert(options.end(), {"set:run_budget=6s", "set:run_budget_span=20s"});
  start_host(options);
  const auto program =
      run_app("chain", {"--voip", rule()}, {"bash", "-c", kShellClient, std::to_string(port())});
  host::PeerConnection line(accept_connection());
  expect_suspended("chain");
  line.command("0");
  wait_ledger("chain", "wake", "socket_data");
  EXPECT_EQ(line.expect("next"), "next");
  answer_late(line, 1);
  ::poll(nullptr, 0, kAnswerMs);
  line.command("2");  // the third window of the chain would go beyond the budget
  wait_ledger("chain", "run_budget");
}

}  // namespace
}  // namespace wakeline::peers
