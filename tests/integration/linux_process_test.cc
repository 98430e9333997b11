// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <csignal>
#include <cstddef>
#include <cstdio>

#include "linux/cgroup.h"
#include "linux/proc.h"
#include "linux/process.h"
#include "linux_fixture.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;
using test::app;

// Runs to its end; returns what it printed.
std::string output_of(SpawnOptions options, int cgroup = -1) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return "no pipe";
  const io::UniqueFd read_end(ends[0]);
  io::UniqueFd write_end(ends[1]);
  options.output = write_end.get();
  auto process = spawn(options, cgroup);
  write_end.reset();
  if (!process) return base::to_string(process.error());
  std::string text;
  char buffer[1'024];
  for (ssize_t got = 0; (got = ::read(read_end.get(), buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  ::waitpid(process->pid, nullptr, 0);
  return text;
}

bool kernel_at_least(int major, int minor) {
  utsname name = {};
  ::uname(&name);
  int found_major = 0;
  int found_minor = 0;
  std::sscanf(name.release, "%d.%d", &found_major, &found_minor);
  return found_major > major || (found_major == major && found_minor >= minor);
}

// Makes clone3 fail for this process, as an old kernel or a container's filter does.
bool forbid_clone3() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {4, code};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// Runs `body` in a forked child; its result is the child's exit status.
int in_child(const std::function<int()>& body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Spawn, GivesTheProgramAFreshProcessInASessionOfItsOwn) {
  // Things of ours that must not be inherited; the descriptor lacks O_CLOEXEC on purpose.
  const io::UniqueFd stray(::open("/dev/null", O_RDONLY));
  struct sigaction before = {};
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGUSR1, &ignore, &before);
  sigset_t blocked;
  sigset_t mask_before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGUSR2);
  ::sigprocmask(SIG_BLOCK, &blocked, &mask_before);

  auto options = app({"report"});
  options.working_directory = "/";
  options.limits = Limits{.nice = 5, .files = 100};
  const auto text = output_of(options);

  ::sigprocmask(SIG_SETMASK, &mask_before, nullptr);
  ::sigaction(SIGUSR1, &before, nullptr);
  EXPECT_EQ(text,
            "session 1\nstdin 1\nblocked 0\nhandled 0\nopen 0\nfiles 100\nnice 5\nfolder /\n"
            "variable yes\n");
}

TEST(Spawn, HandsNoCapabilityOfTheHostOn) {
  EXPECT_EQ(in_child([] {
              // As systemd's AmbientCapabilities= does for a host that is not root.
              __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
              __user_cap_data_struct sets[2] = {};
              if (::syscall(SYS_capget, &header, sets) != 0) return 1;
              const unsigned bit = 1U << CAP_NET_ADMIN;
              if ((sets[0].permitted & bit) != 0) {
                sets[0].inheritable |= bit;
                if (::syscall(SYS_capset, &header, sets) != 0) return 2;
                if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0) != 0)
                  return 3;
              }
              SpawnOptions options;
              options.command = {"grep", "CapAmb", "/proc/self/status"};
              options.environment = {"PATH=/usr/bin:/bin"};
              return output_of(options) == "CapAmb:\t0000000000000000\n" ? 0 : 4;
            }),
            0);
}

TEST(Spawn, FindsTheProgramInThePathOfItsEnvironment) {
  SpawnOptions options;
  options.command = {"echo", "here"};
  options.environment = {"PATH=/nowhere:/usr/bin:/bin"};
  EXPECT_EQ(output_of(options), "here\n");
}

TEST(Spawn, SaysWhatCouldNotBeStarted) {
  struct Case {
    std::vector<std::string> command;
    std::string folder;
    base::Error error;
  };
  const Case cases[] = {
      {{}, "", {ErrorCode::kInvalidArgument, "command", 0}},
      {{"/nonexistent/program"}, "", {ErrorCode::kNotFound, "exec", ENOENT}},
      {{"wakeline-no-such-program"}, "", {ErrorCode::kNotFound, "exec", ENOENT}},
      {{"/etc/passwd"}, "", {ErrorCode::kPermission, "exec", EACCES}},
      {{"/bin/true"}, "/nonexistent", {ErrorCode::kNotFound, "working directory", ENOENT}},
  };
  for (const auto& wanted : cases) {
    SpawnOptions options;
    options.command = wanted.command;
    options.working_directory = wanted.folder;
    const auto process = spawn(options);
    ASSERT_FALSE(process);
    EXPECT_EQ(process.error(), wanted.error) << base::to_string(process.error());
  }
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
}

// Whether the child is in the cgroup before it could run a line of its own.
int born_in_cgroup(const std::string& name) {
  auto tree = CgroupTree::open(name);
  // Without a writable cgroup there is nothing to be born in: see the freezer's tests.
  if (!tree) return tree.error().code == ErrorCode::kPermission ? 0 : 2;
  auto cgroup = tree->open_app("one");
  if (!cgroup) return 3;
  SpawnOptions options;
  options.command = {"/bin/cat", "/proc/self/cgroup"};
  const auto text = output_of(options, cgroup->fd());
  const bool removed = cgroup->remove().has_value() && ::rmdir(tree->folder().c_str()) == 0;
  if (!removed) return 4;
  return text.find("/wakeline-" + name + "/app-one\n") != std::string::npos ? 0 : 5;
}

TEST(Spawn, StartsTheProgramInsideItsCgroup) {
  EXPECT_EQ(born_in_cgroup(test::unique_name("spawn")), 0);
}

TEST(Spawn, StartsTheProgramInsideItsCgroupWithoutClone3) {
  EXPECT_EQ(in_child([] {
              if (!forbid_clone3()) return 10;
              return born_in_cgroup("spawn3-" + std::to_string(::getpid()));
            }),
            0);
}

TEST(ExitWatch, TellsTheStatusAndTheSignal) {
  io::Loop loop;
  std::vector<ExitInfo> seen;
  SpawnOptions options;
  options.command = {"/bin/sh", "-c", "exit 3"};
  const auto first = spawn(options);
  ASSERT_OK(first);
  options.command = {test::app_program(), "spin"};
  const auto second = spawn(options);
  ASSERT_OK(second);

  const auto watch_first =
      ExitWatch::create(loop, first->pidfd.get(), [&](ExitInfo info) { seen.push_back(info); });
  ASSERT_OK(watch_first);
  ASSERT_TRUE(test::run_until(loop, [&] { return seen.size() == 1; }));
  const auto watch_second =
      ExitWatch::create(loop, second->pidfd.get(), [&](ExitInfo info) { seen.push_back(info); });
  ASSERT_OK(watch_second);
  EXPECT_EQ(take_exit(second->pidfd.get()).error().code, ErrorCode::kBusy);
  EXPECT_OK(send_signal(second->pidfd.get(), SIGKILL));
  ASSERT_TRUE(test::run_until(loop, [&] { return seen.size() == 2; }));
  EXPECT_EQ(seen, (std::vector<ExitInfo>{{true, false, 3}, {true, true, SIGKILL}}));
}

TEST(ExitWatch, TellsWhatItCanOfAProcessThatIsNotOurChild) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const io::UniqueFd read_end(ends[0]);
  io::UniqueFd write_end(ends[1]);
  auto options = app({"parent"});
  options.output = write_end.get();
  const auto parent = spawn(options);
  ASSERT_OK(parent);
  std::string line;
  for (char byte = 0; ::read(read_end.get(), &byte, 1) == 1 && byte != '\n';) line += byte;
  const auto stat = read_proc_stat(std::atoi(line.c_str()));
  ASSERT_OK(stat);
  const auto pidfd = open_pidfd(stat->key);
  ASSERT_OK(pidfd);

  EXPECT_EQ(take_exit(pidfd->get()).error().code, ErrorCode::kBusy);
  EXPECT_OK(send_signal(pidfd->get(), SIGTERM));
  io::Loop loop;
  std::vector<ExitInfo> seen;
  const auto watch =
      ExitWatch::create(loop, pidfd->get(), [&](ExitInfo info) { seen.push_back(info); });
  ASSERT_OK(watch);
  ASSERT_TRUE(test::run_until(loop, [&] { return seen.size() == 1; }));
  const ExitInfo known{true, true, SIGTERM};
  const ExitInfo unknown{false, false, 0};
  EXPECT_EQ(seen[0], kernel_at_least(6, 15) ? known : unknown);
  EXPECT_OK(send_signal(parent->pidfd.get(), SIGKILL));
  ::waitpid(parent->pid, nullptr, 0);
}

TEST(Orphans, AreCollectedAndOurOwnChildrenAreNot) {
  EXPECT_EQ(in_child([] {
              if (!adopt_orphans()) return 1;
              SpawnOptions options;
              // The shell ends at once; what it leaves behind becomes ours and ends, too.
              options.command = {"/bin/sh", "-c", "/bin/true & exit 4"};
              const auto shell = spawn(options);
              if (!shell) return 2;
              int orphans = 0;
              // The orphan may have been collected by the shell already; then there is none.
              test::eventually([&] {
                orphans += collect_orphans({shell->pid});
                const auto stat = read_proc_stat(shell->pid);
                return stat && stat->state == 'Z';
              });
              const auto info = take_exit(shell->pidfd.get());
              if (!info || *info != ExitInfo{true, false, 4}) return 3;
              // Now nobody is ours, and nobody may be left for long.
              const bool none = test::eventually([&] {
                orphans += collect_orphans({});
                return ::waitpid(-1, nullptr, WNOHANG | WNOWAIT | WEXITED) < 0;
              });
              return none && orphans <= 1 ? 0 : 4;
            }),
            0);
}

TEST(IsBusy, TellsAProcessThatHasWorkFromOneThatWaits) {
  EXPECT_TRUE(is_busy(::getpid()));  // it is running this
  SpawnOptions waiting;
  waiting.command = {"sleep", "60"};
  auto sleeper = spawn(waiting);
  ASSERT_OK(sleeper);
  EXPECT_TRUE(test::eventually([&] { return !is_busy(sleeper->pid); }));
  auto spinner = spawn(test::app({"spin"}));
  ASSERT_OK(spinner);
  EXPECT_TRUE(test::eventually([&] { return is_busy(spinner->pid); }));
  for (const auto* process : {&*sleeper, &*spinner}) {
    EXPECT_OK(send_signal(process->pidfd.get(), SIGKILL));
    EXPECT_TRUE(test::eventually([&] { return take_exit(process->pidfd.get()).has_value(); }));
    EXPECT_FALSE(is_busy(process->pid));
  }
}

TEST(ProcessKey, DoesNotOpenAnotherProcessOfTheSameNumber) {
  const auto self = read_proc_stat(::getpid());
  ASSERT_OK(self);
  EXPECT_OK(open_pidfd(self->key));
  ProcessKey other = self->key;
  other.start += 1;
  const auto pidfd = open_pidfd(other);
  ASSERT_FALSE(pidfd);
  EXPECT_EQ(pidfd.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace wakeline::sys
