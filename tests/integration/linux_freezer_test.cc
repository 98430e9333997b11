// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>

#include "linux/freezer.h"
#include "linux/proc.h"
#include "linux_fixture.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;
using test::hello_of;

/// Every test runs with the best mechanism of this machine and with the fallback.
class FreezerTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    open();
    if (options().signals_only) {
      EXPECT_EQ(freezer->mechanism(), "sigstop");
    }
    auto new_group = freezer->group("bell");
    ASSERT_OK(new_group);
    group = std::move(*new_group);
  }
  void TearDown() override {
    if (group) {
      EXPECT_OK(group->remove());
    }
    // Notes go with the launch.
    const std::filesystem::path notes = options().notes_folder;
    EXPECT_TRUE(!std::filesystem::exists(notes) || std::filesystem::is_empty(notes));
    group.reset();
    freezer.reset();
    std::filesystem::remove_all(options().notes_folder);
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
  }

  FreezerOptions options() const {
    return {.name = test::unique_name("freezer"),
            .signals_only = GetParam() == std::string("sigstop"),
            .notes_folder = testing::TempDir() + test::unique_name("notes")};
  }
  void open() {
    auto new_freezer = Freezer::open(options());
    ASSERT_OK(new_freezer);
    freezer = std::move(*new_freezer);
  }
  void launch() {
    auto new_process = group->launch(server.answering_app());
    ASSERT_OK(new_process);
    process = std::move(*new_process);
    peer = server.accept();
    hello = hello_of(peer);
    ASSERT_EQ(hello.pid, process.pid);
  }
  base::Duration used() { return group->cpu_time().value_or(base::Duration::zero()); }

  test::Server server;
  test::Peer peer;
  test::Hello hello;
  std::unique_ptr<Freezer> freezer;
  std::unique_ptr<AppGroup> group;
  Process process;
};

INSTANTIATE_TEST_SUITE_P(Mechanism, FreezerTest, ::testing::Values("best", "sigstop"),
                         [](const auto& of) { return std::string(of.param); });

// C8: every thread and every child process, also one that left the session and lost its parent.
TEST_P(FreezerTest, StopsTheWholeTreeAndNothingOfItRuns) {
  // The host stays an ancestor of its apps.
  ASSERT_OK(adopt_orphans());
  launch();
  EXPECT_EQ(peer.ask('f'), 'F');
  EXPECT_EQ(peer.ask('d'), 'D');
  EXPECT_TRUE(test::eventually([&] { return group->processes().size() == 3; }));
  const auto start = used();
  EXPECT_TRUE(test::eventually([&] { return used() > start; }));
  for (const pid_t pid : group->processes()) {
    EXPECT_TRUE(group->contains(pid));
    EXPECT_EQ(freezer->app_of(pid), "bell");
  }
  EXPECT_FALSE(group->contains(::getpid()));
  EXPECT_EQ(freezer->app_of(::getpid()), std::nullopt);

  EXPECT_EQ(group->freeze(), FreezeOutcome::kComplete);
  const auto before = used();
  ::usleep(30'000);  // the span under observation, in which nothing may run
  EXPECT_EQ(used(), before);
  EXPECT_EQ(group->processes().size(), 3u);
  EXPECT_OK(group->thaw());
  EXPECT_TRUE(test::eventually([&] { return used() > before; }));
  EXPECT_EQ(peer.ask('?'), '!');
  // What it starts now is stopped as well.
  EXPECT_EQ(peer.ask('f'), 'F');
  EXPECT_EQ(group->freeze(), FreezeOutcome::kComplete);
  EXPECT_EQ(group->processes().size(), 4u);
}

// C7: a thread blocked in recv sees no spurious EINTR, error or timeout.
TEST_P(FreezerTest, LeavesABlockedRecvUndisturbed) {
  launch();
  for (int cycle = 0; cycle < 50; ++cycle) {
    ASSERT_EQ(group->freeze(), FreezeOutcome::kComplete);
    ASSERT_OK(group->thaw());
  }
  // It would have sent an 'E' for each interrupted call.
  EXPECT_EQ(peer.ask('?'), '!');
  EXPECT_EQ(peer.receive(std::chrono::milliseconds(0)), -1);
}

TEST_P(FreezerTest, HoldsWhatArrivesUntilTheThaw) {
  launch();
  ASSERT_EQ(group->freeze(), FreezeOutcome::kComplete);
  EXPECT_TRUE(peer.send('?'));
  EXPECT_EQ(peer.receive(std::chrono::milliseconds(30)), -1);
  EXPECT_OK(group->thaw());
  EXPECT_EQ(peer.receive(), '!');
}

// C24: on termination the peer sees the close.
TEST_P(FreezerTest, KillsAFrozenAppAndItsPeerSeesTheClose) {
  launch();
  ASSERT_EQ(group->freeze(), FreezeOutcome::kComplete);
  EXPECT_OK(group->kill());
  EXPECT_EQ(peer.receive(), 0);
  EXPECT_TRUE(test::eventually([&] { return take_exit(process.pidfd.get()).has_value(); }));
  EXPECT_EQ(group->main_process().error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(group->processes().empty());
}

TEST_P(FreezerTest, SendsASignalToEveryProcess) {
  launch();
  EXPECT_EQ(peer.ask('f'), 'F');
  EXPECT_OK(group->signal(SIGTERM));
  EXPECT_TRUE(test::eventually([&] { return group->processes().empty(); }));
  EXPECT_EQ(take_exit(process.pidfd.get()), (ExitInfo{true, true, SIGTERM}));
}

TEST_P(FreezerTest, StartsTheSecondLaunchFromNothing) {
  launch();
  EXPECT_EQ(peer.ask('f'), 'F');
  // By far more than a start takes, also on a busy machine.
  EXPECT_TRUE(test::eventually([&] { return used() > std::chrono::milliseconds(100); }));
  EXPECT_TRUE(peer.send('x'));
  EXPECT_TRUE(test::eventually([&] { return take_exit(process.pidfd.get()).has_value(); }));
  const auto before = used();
  launch();  // the child that the first one left is gone
  EXPECT_EQ(group->processes(), (std::vector<pid_t>{process.pid}));
  EXPECT_LT(used(), before);
}

TEST_P(FreezerTest, FindsTheAppsOfAnEarlierHost) {
  launch();
  EXPECT_OK(group->set_attribute("profile", "linux"));
  // The host goes without a word to the app, which it had frozen.
  ASSERT_EQ(group->freeze(), FreezeOutcome::kComplete);
  group.reset();
  freezer.reset();
  open();
  EXPECT_EQ(freezer->existing(), (std::vector<std::string>{"bell"}));
  auto new_group = freezer->group("bell");
  ASSERT_OK(new_group);
  group = std::move(*new_group);
  const auto found = group->main_process();
  ASSERT_OK(found);
  EXPECT_EQ(found->pid, process.pid);
  EXPECT_EQ(group->attribute("profile"), "linux");
  EXPECT_EQ(group->attribute("other"), std::nullopt);
  EXPECT_EQ(peer.ask('?'), '!');
  EXPECT_EQ(group->freeze(), FreezeOutcome::kComplete);
  EXPECT_TRUE(peer.send('?'));
  EXPECT_EQ(peer.receive(std::chrono::milliseconds(20)), -1);
  EXPECT_OK(group->thaw());
  EXPECT_EQ(peer.receive(), '!');
}

TEST_P(FreezerTest, RefusesIdsThatAreNoNames) {
  for (const char* id : {"", ".", "..", "a/b", "Bell", "a b"}) {
    EXPECT_EQ(freezer->group(id).error().code, ErrorCode::kInvalidArgument) << id;
  }
  EXPECT_EQ(Freezer::open({.name = "../x"}).error().code, ErrorCode::kInvalidArgument);
}

// A user who may write no cgroup gets the fallback, is told why, and it works.
TEST(FreezerFallback, SuspendsByStopSignalsWhereNoCgroupIsWritable) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && (::setgid(65'534) != 0 || ::setuid(65'534) != 0)) ::_exit(1);
    auto freezer = Freezer::open({.name = test::unique_name("fallback")});
    if (!freezer) ::_exit(2);
    // On a machine that delegates to every user, this is the ordinary way.
    const bool fallback = (*freezer)->mechanism() == "sigstop";
    if (fallback != ((*freezer)->fallback_reason().code != ErrorCode::kOk)) ::_exit(3);
    auto group = (*freezer)->group("bell");
    if (!group) ::_exit(4);
    SpawnOptions options;
    options.command = {"/bin/sleep", "60"};
    const auto process = (*group)->launch(options);
    if (!process) ::_exit(5);
    const bool frozen = (*group)->freeze() == FreezeOutcome::kComplete;
    const auto stat = read_proc_stat(process->pid);
    if (!frozen || !stat || (fallback && stat->state != 'T')) ::_exit(6);
    if (!(*group)->thaw() || !(*group)->remove()) ::_exit(7);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace wakeline::sys
