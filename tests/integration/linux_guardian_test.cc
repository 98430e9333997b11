// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/wait.h>

#include <csignal>

#include "base/random.h"
#include "linux/guardian.h"
#include "linux/proc.h"
#include "linux_fixture.h"

namespace wakeline::sys {
namespace {

using test::hello_of;

/// A host in a process of its own, with one app; the tests kill it.
class GuardianTest : public ::testing::TestWithParam<const char*> {
 protected:
  // What a killed host leaves comes to us, so that nothing is left over.
  void SetUp() override { ASSERT_OK(adopt_orphans()); }
  void TearDown() override {
    if (hello.pid > 0) ::kill(hello.pid, SIGKILL);
    end_host(SIGKILL);
    // Removes what a killed host left.
    auto freezer = Freezer::open(options());
    ASSERT_OK(freezer);
    auto group = (*freezer)->group("bell");
    ASSERT_OK(group);
    EXPECT_OK((*group)->remove());
    group->reset();
    freezer->reset();
    EXPECT_TRUE(test::eventually([] { return ::waitpid(-1, nullptr, WNOHANG) < 0; }));
  }

  FreezerOptions options() const {
    return {.name = name, .signals_only = GetParam() == std::string("sigstop")};
  }

  // Forks a host that launches the app and then does `work`, and ends with status 0.
  void start_host(const std::function<void(AppGroup&)>& work) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const io::UniqueFd channel(ends[0]);
    host = ::fork();
    if (host == 0) run_host(ends[1], work);
    ::close(ends[1]);
    ASSERT_EQ(::read(channel.get(), &guardian, sizeof guardian),
              static_cast<ssize_t>(sizeof guardian));
    peer = server.accept();
    hello = hello_of(peer);
    ASSERT_GT(hello.pid, 0);
    ASSERT_EQ(::write(channel.get(), "g", 1), 1);  // the app has connected: go
  }
  [[noreturn]] void run_host(int channel, const std::function<void(AppGroup&)>& work) const {
    {
      auto freezer = Freezer::open(options());
      if (!freezer) ::_exit(1);
      auto group = (*freezer)->group("bell");
      if (!group || !(*group)->launch(server.answering_app())) ::_exit(2);
      const auto key = read_proc_stat((*freezer)->guardian())->key;
      char go = 0;
      if (::write(channel, &key, sizeof key) < 0 || ::read(channel, &go, 1) != 1) ::_exit(3);
      work(**group);
    }
    ::_exit(0);
  }
  void end_host(int number) {
    if (host <= 0) return;
    ::kill(host, number);
    ::waitpid(host, nullptr, 0);
    host = 0;
  }
  bool guardian_alive() const {
    const auto stat = read_proc_stat(guardian.pid);
    return stat && stat->key == guardian && stat->state != 'Z';
  }
  // In both mechanisms a frozen app answers nobody.
  bool app_frozen() { return peer.receive(std::chrono::milliseconds(20)) == -1; }

  std::string name = test::unique_name("guardian");  // the host has another pid
  test::Server server;
  test::Peer peer;
  test::Hello hello;
  pid_t host = 0;
  ProcessKey guardian;
};

INSTANTIATE_TEST_SUITE_P(Mechanism, GuardianTest, ::testing::Values("best", "sigstop"),
                         [](const auto& of) { return std::string(of.param); });

void freeze_and_wait(AppGroup& group) {
  if (!group.freeze()) ::_exit(9);
  while (true) ::pause();
}

TEST_P(GuardianTest, LetsTheAppRunWhenTheHostIsKilled) {
  start_host(freeze_and_wait);
  // Asked while it runs it answers, so keep asking until it is frozen.
  ASSERT_TRUE(test::eventually([&] { return peer.send('?') && app_frozen(); }));
  const auto start = io::now();
  end_host(SIGKILL);
  EXPECT_EQ(peer.receive(), '!');
  EXPECT_LT(io::now() - start, std::chrono::seconds(2));
  EXPECT_TRUE(test::eventually([&] { return !guardian_alive(); }));
}

TEST_P(GuardianTest, OutlivesTheSignalsThatEndAHost) {
  start_host(freeze_and_wait);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) ::kill(guardian.pid, number);
  ASSERT_TRUE(test::eventually([&] { return peer.send('?') && app_frozen(); }));
  EXPECT_TRUE(guardian_alive());
  end_host(SIGTERM);
  EXPECT_EQ(peer.receive(), '!');
}

TEST_P(GuardianTest, EndsWithAHostThatEndsOfItself) {
  start_host([](AppGroup& group) {
    if (!group.freeze() || !group.thaw()) ::_exit(9);
  });
  int status = -1;
  ASSERT_EQ(::waitpid(host, &status, 0), host);
  host = 0;
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(guardian_alive()) << "the host waits for its guardian's end";
  EXPECT_EQ(peer.ask('?'), '!');
}

TEST_P(GuardianTest, LeavesNothingFrozenWhereverTheHostDies) {
  base::Random random(20'260'101);
  for (int round = 0; round < 25; ++round) {
    start_host([](AppGroup& group) {
      while (group.freeze() && group.thaw()) {
      }
      ::_exit(9);
    });
    ::usleep(static_cast<useconds_t>(random.below(3'000)));  // a random phase, not a wait
    end_host(SIGKILL);
    ASSERT_EQ(peer.ask('?'), '!') << "round " << round;
    ::kill(hello.pid, SIGKILL);
    ASSERT_TRUE(test::eventually([&] { return !guardian_alive(); }));
  }
}

TEST_P(GuardianTest, IsReplacedWhenItIsKilledItself) {
  auto freezer = Freezer::open(options());
  ASSERT_OK(freezer);
  io::Loop loop;
  (*freezer)->keep_guardian(loop);
  auto group = (*freezer)->group("bell");
  ASSERT_OK(group);
  ASSERT_OK((*group)->launch(server.answering_app()));
  peer = server.accept();
  hello = hello_of(peer);
  ASSERT_OK((*group)->freeze());

  const pid_t first = (*freezer)->guardian();
  ::kill(first, SIGKILL);
  ASSERT_TRUE(test::run_until(loop, [&] { return (*freezer)->guardian() != first; }));
  // The new one knows what is stopped: its end lets the app run, as the host's death would.
  EXPECT_TRUE(peer.send('?'));
  EXPECT_TRUE(app_frozen());
  group->reset();
  freezer->reset();
  EXPECT_EQ(peer.receive(), '!');
}

TEST_P(GuardianTest, IsReplacedBeforeTheNextFreezeWithoutALoop) {
  auto freezer = Freezer::open(options());
  ASSERT_OK(freezer);
  auto group = (*freezer)->group("bell");
  ASSERT_OK(group);
  ASSERT_OK((*group)->launch(server.answering_app()));
  peer = server.accept();
  hello = hello_of(peer);
  const auto first = read_proc_stat((*freezer)->guardian());
  ASSERT_OK(first);
  ::kill(first->key.pid, SIGKILL);
  ASSERT_TRUE(test::eventually([&] { return read_proc_stat(first->key.pid)->state == 'Z'; }));
  EXPECT_EQ((*group)->freeze(), FreezeOutcome::kComplete);
  EXPECT_NE((*freezer)->guardian(), first->key.pid);
  EXPECT_OK((*group)->thaw());
  EXPECT_EQ(peer.ask('?'), '!');
}

}  // namespace
}  // namespace wakeline::sys
