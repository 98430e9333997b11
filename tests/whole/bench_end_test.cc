// SPDX-License-Identifier: Apache-2.0
// A benchmark that is told to end, as by Ctrl-C.
#include <gtest/gtest.h>
#include <poll.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "cli/program.h"
#include "io/clock.h"
#include "io/testing.h"
#include "linux/proc.h"

namespace wakeline {
namespace {

namespace fs = std::filesystem;

constexpr base::Duration kPatience = std::chrono::seconds(60);

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Processes whose environment or command names the folder, other than `except`; the benchmark's
/// own worker is one.
std::vector<std::string> programs_of(const std::string& folder, pid_t except) {
  std::vector<std::string> found;
  for (const auto& process : sys::list_processes()) {
    const std::string at = "/proc/" + std::to_string(process.key.pid);
    if (process.key.pid == except || process.state == 'Z') continue;
    const std::string command = bytes_of(at + "/cmdline");
    if (bytes_of(at + "/environ").find(folder) != std::string::npos ||
        command.find(folder) != std::string::npos)
      found.push_back(command.c_str());
  }
  return found;
}

struct Case {
  std::string name;
  int signal;
  std::size_t programs;  ///< that run when it is told; the worker is one of them
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

class BenchEnd : public testing::TestWithParam<Case> {};

TEST_P(BenchEnd, LeavesNoProcessAndNoFolderBehind) {
  const io::TestFolder folder;
  const std::string temporary = folder.file("tmp");
  fs::create_directory(temporary);
  auto bench = cli::Program::start({WAKELINE_PROGRAM, "bench", GetParam().name, "--quick"},
                                   folder.file("log"), {"TMPDIR=" + temporary});
  ASSERT_TRUE(bench) << bench.error();
  const pid_t pid = bench->pid();
  const base::Instant end = io::now() + kPatience;
  while (programs_of(temporary, pid).size() < GetParam().programs && io::now() < end) {
    ASSERT_TRUE(bench->alive()) << bytes_of(folder.file("log"));
    ::poll(nullptr, 0, 20);
  }
  ASSERT_GE(programs_of(temporary, pid).size(), GetParam().programs);
  EXPECT_FALSE(fs::is_empty(temporary));
  ASSERT_EQ(::kill(pid, GetParam().signal), 0);
  EXPECT_EQ(bench->wait(), 128 + GetParam().signal) << bytes_of(folder.file("log"));
  EXPECT_EQ(programs_of(temporary, pid), std::vector<std::string>());
  EXPECT_TRUE(fs::is_empty(temporary));
}

INSTANTIATE_TEST_SUITE_P(Each, BenchEnd,
                         testing::Values(Case{"server", SIGTERM, 2}, Case{"server", SIGINT, 2},
                                         Case{"wake", SIGINT, 4}, Case{"scale", SIGTERM, 4},
                                         Case{"deliver", SIGTERM, 3}, Case{"client", SIGHUP, 2},
                                         Case{"store", SIGTERM, 2}, Case{"sim", SIGINT, 1}),
                         [](const auto& one) {
                           return one.param.name + "On" + std::to_string(one.param.signal);
                         });

}  // namespace
}  // namespace wakeline
