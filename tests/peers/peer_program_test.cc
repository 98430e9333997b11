// SPDX-License-Identifier: Apache-2.0
#include "peer_program.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>

#include "io/testing.h"

namespace wakeline::peers {
namespace {

using namespace std::chrono_literals;

TEST(PeerProgram, ShowsItsLinesInOrderAndEndsWithItsObject) {
  const io::TestFolder folder;
  pid_t pid = 0;
  {
    PeerProgram shell({"sh", "-c", "echo one; echo two; echo $$ is ready; exec sleep 600"},
                      folder.file("log"));
    EXPECT_EQ(shell.wait_line("two"), "two");
    pid = shell.pid();
    EXPECT_EQ(shell.wait_line("ready"), std::to_string(pid) + " is ready");
    EXPECT_FALSE(shell.next_line("one", 0ms));
    EXPECT_EQ(shell.count_lines("o"), 2);
    EXPECT_TRUE(shell.alive());
  }
  EXPECT_EQ(::kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST(PeerProgram, TellsHowAProgramEnded) {
  const io::TestFolder folder;
  PeerProgram shell({"sh", "-c", "echo bye; exit 3"}, folder.file("log"));
  EXPECT_EQ(shell.wait(), 3);
  EXPECT_EQ(shell.wait_line("bye"), "bye");
}

}  // namespace
}  // namespace wakeline::peers
