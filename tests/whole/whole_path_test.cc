// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "base/random.h"
#include "cli/demo/parts.h"
#include "host/control_client.h"
#include "host/options.h"
#include "io/clock.h"
#include "io/testing.h"
#include "linux/cgroup.h"
#include "linux/process.h"

namespace wakeline {
namespace {

using namespace std::chrono_literals;
using cli::demo::Parts;

std::string beside(const std::string& program) {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / program;
}

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Waits, in steps of a few milliseconds, until `done` or the time is over.
bool eventually(base::Duration timeout, const std::function<bool()>& done) {
  const base::Instant end = io::now() + timeout;
  while (io::now() < end) {
    if (done()) return true;
    ::poll(nullptr, 0, 10);
  }
  return done();
}

TEST(WholePath, TheDemoEndsWellAndEveryStepHappens) {
  const std::string output = testing::TempDir() + "/wakeline-demo-output";
  ::unlink(output.c_str());
  auto demo = cli::Program::start({beside("wakeline"), "demo"}, output);
  ASSERT_TRUE(demo) << demo.error();
  int exit_code = -1;
  ASSERT_TRUE(eventually(60s, [&] { return !demo->alive(); })) << text_of(output);
  exit_code = demo->wait();
  const std::string text = text_of(output);
  EXPECT_EQ(exit_code, 0) << text;
  std::size_t rings = 0;
  for (std::size_t at = text.find("🔔"); at != std::string::npos; at = text.find("🔔", at + 1))
    ++rings;
  EXPECT_EQ(rings, 3U) << text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos) << "colours on a pipe";
  ::unlink(output.c_str());
}

/// Processes that name `folder` on their command line.
int count_of(const std::string& folder) {
  int count = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error))
    if (text_of(entry.path() / "cmdline").find(folder) != std::string::npos) ++count;
  return count;
}

TEST(WholePath, ADemoThatIsEndedTakesAllAwayThatItStarted) {
  for (const int number : {SIGHUP, SIGINT, SIGTERM}) {
    const io::TestFolder folder;
    const io::TestFolder temporary;
    const std::string output = folder.file("output");
    auto demo =
        cli::Program::start({beside("wakeline"), "demo"}, output, {"TMPDIR=" + temporary.path()});
    ASSERT_TRUE(demo) << demo.error();
    // The server, the host and the app run by then.
    ASSERT_TRUE(eventually(30s, [&] { return text_of(output).find("\n2. ") != std::string::npos; }))
        << text_of(output);
    EXPECT_GT(count_of(temporary.path()), 0);
    ::kill(demo->pid(), number);
    EXPECT_TRUE(eventually(30s, [&] { return !demo->alive(); }));
    EXPECT_EQ(demo->wait(), 128 + number) << text_of(output);
    EXPECT_TRUE(std::filesystem::is_empty(temporary.path()));
    EXPECT_EQ(count_of(temporary.path()), 0);
  }
}

/// A demo whose output we read, until we don't.
class ReadDemo {
 public:
  explicit ReadDemo(std::vector<std::string> words) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    reader_ = io::UniqueFd(ends[0]);
    const io::UniqueFd writer(ends[1]);
    sys::SpawnOptions options;
    options.command = {beside("wakeline"), "demo"};
    options.command.insert(options.command.end(), words.begin(), words.end());
    options.environment = sys::inherit_environment({"TMPDIR=" + folder_.path()});
    options.output = writer.get();
    auto process = sys::spawn(options);
    EXPECT_TRUE(process);
    if (process) process_ = std::move(*process);
  }
  ~ReadDemo() {
    if (process_.pid != 0) ::kill(process_.pid, SIGTERM);
  }

  void read_until(const std::string& text) {
    char block[4'096];
    while (output_.find(text) == std::string::npos) {
      const ssize_t got = ::read(reader_.get(), block, sizeof block);
      ASSERT_GT(got, 0) << output_;
      output_.append(block, static_cast<std::size_t>(got));
    }
  }
  /// The exit code after that; all that it started is gone.
  int stop_reading() {
    reader_.reset();
    pollfd end{process_.pidfd.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&end, 1, 60'000), 1);
    const auto exit = sys::take_exit(process_.pidfd.get());
    if (exit) process_.pid = 0;
    EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
    EXPECT_EQ(count_of(folder_.path()), 0);
    return exit && !exit->signaled ? exit->code : -1;
  }

 private:
  const io::TestFolder folder_;
  io::UniqueFd reader_;
  sys::Process process_;
  std::string output_;
};

TEST(WholePath, ADemoThatNobodyWatchesAnyMoreEndsAndTakesAllAway) {
  ReadDemo halfway({});
  halfway.read_until("\n2. ");
  EXPECT_EQ(halfway.stop_reading(), 8);
  ReadDemo kept({"--keep"});
  kept.read_until("Ctrl-C ends it all.\n");
  EXPECT_EQ(kept.stop_reading(), 0);
}

TEST(WholePath, TheDoorbellInCRingsFromItsSleep) {
  auto parts = Parts::create(beside("wakeline"), beside("doorbell-c"));
  ASSERT_TRUE(parts) << parts.error();
  ASSERT_TRUE(parts->start_server());
  ASSERT_TRUE(parts->add_device());
  const auto host = parts->start_host();
  ASSERT_TRUE(host) << host.error();
  const std::string log = parts->folder() + "/host.log";
  auto client = host::ControlClient::connect(host::socket_path(parts->runtime_folder()));
  ASSERT_TRUE(client) << client.error().message;
  ASSERT_TRUE(eventually(30s, [&] {
    const auto apps = client->list();
    return apps && apps->size() == 1 && apps->front().state == wire::host::AppState::kSuspended;
  })) << text_of(log);
  const auto answer = parts->push("the postman", "");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 201);
  EXPECT_TRUE(eventually(30s, [&] {
    const std::string text = text_of(log);
    return text.find("woken by socket_data") != std::string::npos &&
           text.find("ring 1: the postman") != std::string::npos;
  })) << text_of(log);
}

/// What the recorder app wrote: for each push the number of times that it came, by whether it was
/// marked as a duplicate.
struct Record {
  int first = 0;
  int duplicates = 0;
};
std::map<std::string, Record> records(const std::string& path) {
  std::map<std::string, Record> all;
  std::ifstream file(path);
  std::string kind;
  std::string title;
  while (file >> kind >> title) {
    if (kind == "first") ++all[title].first;
    if (kind == "again") ++all[title].duplicates;
  }
  return all;
}

/// Whether a process is suspended: in a frozen cgroup, or stopped.
bool suspended(const std::string& proc) {
  const auto mount = sys::find_cgroup_mount();
  std::ifstream groups(proc + "/cgroup");
  for (std::string line; std::getline(groups, line);) {
    if (!mount || !line.starts_with("0::")) continue;
    if (text_of(mount->path + line.substr(3) + "/cgroup.freeze").starts_with('1')) return true;
  }
  const std::string stat = text_of(proc + "/stat");
  const std::size_t name_end = stat.rfind(')');
  return name_end != std::string::npos && name_end + 2 < stat.size() && stat[name_end + 2] == 'T';
}

/// Processes that name `folder` on their command line and are suspended.
int count_suspended(const std::string& folder) {
  int count = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string proc = entry.path();
    if (text_of(proc + "/cmdline").find(folder) != std::string::npos && suspended(proc)) ++count;
  }
  return count;
}

/// A server, a host and the recorder, killed at random moments while pushes come in.
class Killing {
 public:
  explicit Killing(std::uint64_t seed) : random_(seed) {}

  void start() {
    auto parts = Parts::create(beside("wakeline"), beside("recorder"));
    ASSERT_TRUE(parts) << parts.error();
    parts_.emplace(std::move(*parts));
    ASSERT_TRUE(parts_->start_server());
    ASSERT_TRUE(parts_->add_device());
    const auto host = parts_->start_host();
    ASSERT_TRUE(host) << host.error();
  }

  /// Pushes until one is accepted; what was answered otherwise was not promised.
  void push_some(int count) {
    for (int i = 0; i < count; ++i) {
      const std::string title = "push-" + std::to_string(++pushes_);
      const auto answer = parts_->push(title, "");
      if (answer && answer->status == 201) accepted_.insert(title);
    }
  }

  void wait_a_moment() { ::poll(nullptr, 0, static_cast<int>(random_.below(400))); }

  void kill_server() {
    parts_->crash_server();
    ASSERT_TRUE(parts_->start_server());
  }
  void kill_host() {
    parts_->crash_host();
    // The guardian's work: nothing is left frozen.
    EXPECT_TRUE(eventually(2s, [&] { return count_suspended(parts_->folder()) == 0; }));
    const auto host = parts_->start_host();
    ASSERT_TRUE(host) << host.error();
  }
  void kill_app() {
    auto client = host::ControlClient::connect(host::socket_path(parts_->runtime_folder()));
    ASSERT_TRUE(client) << client.error().message;
    const auto apps = client->list();
    ASSERT_TRUE(apps);
    ASSERT_EQ(apps->size(), 1U);
    if (apps->front().pid > 0 && ::kill(static_cast<pid_t>(apps->front().pid), SIGKILL) == 0)
      app_killed_ = true;
  }

  void play(int rounds) {
    for (int round = 0; round < rounds; ++round) {
      push_some(1 + static_cast<int>(random_.below(3)));
      wait_a_moment();
      switch (random_.below(4)) {
        case 0:
          kill_server();
          break;
        case 1:
          kill_host();
          break;
        case 2:
          kill_app();
          break;
        default:
          break;  // a round in which it may fall asleep
      }
      if (testing::Test::HasFatalFailure()) return;
    }
  }

  void check() {
    push_some(1);
    ASSERT_FALSE(accepted_.empty());
    const std::string file = parts_->folder() + "/state/received";
    const auto all_there = [&] {
      const auto got = records(file);
      return std::all_of(accepted_.begin(), accepted_.end(),
                         [&](const std::string& title) { return got.contains(title); });
    };
    // The longest way back: the app's relaunch is held back up to a minute after quick deaths.
    EXPECT_TRUE(eventually(90s, all_there)) << text_of(parts_->folder() + "/host.log");
    for (const auto& [title, record] : records(file)) {
      EXPECT_LE(record.first, 1) << title << " was doubled";
      if (!app_killed_) {
        EXPECT_EQ(record.duplicates, 0) << title;
      }
    }
    if (testing::Test::HasFailure()) parts_->keep_folder();
  }

 private:
  base::Random random_;
  std::optional<Parts> parts_;
  std::set<std::string> accepted_;
  int pushes_ = 0;
  bool app_killed_ = false;
};

TEST(WholePath, KillingServerHostAndAppAtRandomLosesDoublesAndFreezesNothing) {
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Killing killing(seed);
    killing.start();
    if (!HasFatalFailure()) killing.play(8);
    if (!HasFatalFailure()) killing.check();
    if (HasFailure()) return;
  }
}

TEST(WholePath, KillingTheServerAloneDeliversEachPushExactlyOnce) {
  Killing killing(11);
  killing.start();
  for (int i = 0; i < 5 && !HasFatalFailure(); ++i) {
    killing.push_some(3);
    killing.wait_a_moment();
    killing.kill_server();
  }
  if (!HasFatalFailure()) killing.check();
}

}  // namespace
}  // namespace wakeline
