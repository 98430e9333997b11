// SPDX-License-Identifier: Apache-2.0
#include "linux/process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <string_view>
#include <tuple>

#include "linux/fd_watch.h"
#include "linux/pidfd_info.h"
#include "linux/proc.h"

extern char** environ;

namespace wakeline::sys {
namespace {

using base::ErrorCode;

constexpr int kExecBoundMs = 5'000;
// An ended process that is not our child tells its exit status once its parent has collected it.
constexpr int kCollectedBoundMs = 10;
constexpr int kOrphansMax = 1'024;
constexpr std::string_view kDefaultPath = "/usr/local/bin:/usr/bin:/bin";

// What the child could not do; sent through the pipe that exec closes.
struct Failure {
  const char* where;  // a literal: parent and child have the same addresses
  int error;
};

// All that the child needs, made before it is born: between fork and exec it only calls the kernel.
struct Plan {
  const char* program;
  char* const* arguments;
  char* const* environment;
  const char* working_directory;  // null: ours
  int input;
  int output;
  int errors;
  int failure_fd;
  int procs_fd;  // cgroup.procs, when the child moves itself; -1: not needed
  const Limits* limits;
};

[[noreturn]] void give_up(const Plan& plan, const char* where) {
  const Failure failure{where, errno};
  // When even this fails, the parent sees the exec succeed and the process end with status 127.
  if (::write(plan.failure_fd, &failure, sizeof failure) < 0) ::_exit(126);
  ::_exit(127);
}

[[noreturn]] void run_child(const Plan& plan) {
  struct sigaction fresh = {};
  fresh.sa_handler = SIG_DFL;
  // SIGKILL, SIGSTOP and the two of the C library refuse; the others must not.
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &fresh, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);

  if (plan.procs_fd >= 0 && ::write(plan.procs_fd, "0", 1) < 0) give_up(plan, "cgroup.procs");
  ::setsid();
  if (plan.limits) {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = std::min<rlim_t>(plan.limits->files, files.rlim_max);
    if (::setrlimit(RLIMIT_NOFILE, &files) != 0) give_up(plan, "setrlimit");
    if (::setpriority(PRIO_PROCESS, 0, plan.limits->nice) != 0) give_up(plan, "setpriority");
  }
  // What the host may beyond its user is the host's alone.
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
    give_up(plan, "ambient capabilities");
  }
  if (plan.working_directory && ::chdir(plan.working_directory) != 0) {
    give_up(plan, "working directory");
  }
  if (::dup2(plan.input, 0) < 0) give_up(plan, "dup2");
  if (plan.output >= 0 && ::dup2(plan.output, 1) < 0) give_up(plan, "dup2");
  if (plan.errors >= 0 && ::dup2(plan.errors, 2) < 0) give_up(plan, "dup2");
  for (int fd = 0; fd <= 2; ++fd) ::fcntl(fd, F_SETFD, 0);
  if (::syscall(SYS_close_range, 3, UINT_MAX, CLOSE_RANGE_CLOEXEC) != 0) {
    give_up(plan, "close_range");
  }
  ::execve(plan.program, plan.arguments, plan.environment);
  give_up(plan, "exec");
}

// Born with clone3, in `cgroup` when it is none of -1. Returns the pid and 0, or -1 with errno.
pid_t clone_child(const Plan& plan, int cgroup, int& pidfd) {
  clone_args arguments = {};
  arguments.flags = CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  if (cgroup >= 0) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<std::uint64_t>(cgroup);
  }
  const auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
  if (pid == 0) run_child(plan);
  return pid;
}

// For kernels and sandboxes without clone3.
pid_t fork_child(const Plan& plan, int& pidfd) {
  const pid_t pid = ::fork();
  if (pid == 0) run_child(plan);
  // Nobody else can collect our child, so its number is still its own.
  if (pid > 0) pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  return pid;
}

base::Result<Process> give_birth(Plan& plan, int cgroup) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  // A handler of ours must not run in the child.
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  int pidfd = -1;
  io::UniqueFd procs;
  pid_t pid = clone_child(plan, cgroup, pidfd);
  int error = errno;
  const bool no_clone3 = pid < 0 && (error == ENOSYS || error == EPERM || error == EINVAL);
  if (no_clone3) {
    if (cgroup >= 0) {
      procs.reset(::openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC));
      plan.procs_fd = procs.get();
    }
    if (cgroup >= 0 && !procs) {
      error = errno;
    } else {
      pid = fork_child(plan, pidfd);
      error = errno;
    }
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return base::fail(base::os_error("clone", error));
  Process process{.pid = pid, .pidfd = io::UniqueFd(pidfd)};
  if (!process.pidfd) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return base::fail(base::os_error("pidfd_open", error));
  }
  return process;
}

base::Result<std::string> find_program(const std::string& name,
                                       const std::vector<std::string>& environment) {
  if (name.find('/') != std::string::npos) return name;
  std::string_view path = kDefaultPath;
  for (const auto& entry : environment) {
    if (entry.starts_with("PATH=")) path = std::string_view(entry).substr(5);
  }
  int error = ENOENT;
  while (!path.empty()) {
    const auto end = path.find(':');
    std::string candidate = std::string(path.substr(0, end)) + "/" + name;
    struct stat about = {};
    if (::stat(candidate.c_str(), &about) == 0 && S_ISREG(about.st_mode)) {
      if (::access(candidate.c_str(), X_OK) == 0) return candidate;
      error = EACCES;
    }
    path.remove_prefix(end == std::string_view::npos ? path.size() : end + 1);
  }
  return base::fail(base::os_error("exec", error));
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> list;
  list.reserve(texts.size() + 1);
  for (const auto& text : texts) list.push_back(const_cast<char*>(text.c_str()));
  list.push_back(nullptr);
  return list;
}

// Waits for the exec, which closes the pipe, or for the failure before it.
base::Result<void> await_exec(const io::UniqueFd& pipe) {
  pollfd wait{pipe.get(), POLLIN, 0};
  int ready = 0;
  do {
    ready = ::poll(&wait, 1, kExecBoundMs);
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) return base::fail(ErrorCode::kTimeout, "exec");
  Failure failure{};
  const ssize_t got = ::read(pipe.get(), &failure, sizeof failure);
  if (got == 0) return {};
  if (got != sizeof failure) return base::fail(ErrorCode::kOs, "exec", errno);
  return base::fail(base::os_error(failure.where, failure.error));
}

}  // namespace

base::Result<Process> spawn(const SpawnOptions& options, int cgroup) {
  if (options.command.empty()) return base::fail(ErrorCode::kInvalidArgument, "command");
  const auto program = find_program(options.command.front(), options.environment);
  if (!program) return base::fail(program.error());
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return base::fail(base::os_error("pipe", errno));
  const io::UniqueFd read_end(ends[0]);
  io::UniqueFd low_end(ends[1]);
  // Above the three that the child replaces, even where ours are closed.
  io::UniqueFd write_end(::fcntl(low_end.get(), F_DUPFD_CLOEXEC, 3));
  low_end.reset();
  const io::UniqueFd null_fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!write_end || !null_fd) return base::fail(base::os_error("open", errno));

  const auto arguments = pointers(options.command);
  const auto environment = pointers(options.environment);
  Plan plan{.program = program->c_str(),
            .arguments = arguments.data(),
            .environment = environment.data(),
            .working_directory =
                options.working_directory.empty() ? nullptr : options.working_directory.c_str(),
            .input = options.input >= 0 ? options.input : null_fd.get(),
            .output = options.output,
            .errors = options.errors >= 0 ? options.errors : options.output,
            .failure_fd = write_end.get(),
            .procs_fd = -1,
            .limits = options.limits ? &*options.limits : nullptr};
  auto process = give_birth(plan, cgroup);
  if (!process) return process;
  write_end.reset();
  if (const auto started = await_exec(read_end); !started) {
    // It has ended already, or it hangs before exec: either way it goes.
    std::ignore = send_signal(process->pidfd.get(), SIGKILL);
    siginfo_t info{};
    ::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(process->pidfd.get()), &info,
             WEXITED);
    return base::fail(started.error());
  }
  return process;
}

std::vector<std::string> inherit_environment(const std::vector<std::string>& added) {
  std::vector<std::string> list = added;
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text = *entry;
    const auto key = text.substr(0, text.find('='));
    const bool replaced = std::ranges::any_of(added, [&](const std::string& other) {
      return std::string_view(other).substr(0, other.find('=')) == key;
    });
    if (!replaced) list.emplace_back(text);
  }
  return list;
}

base::Result<ExitInfo> take_exit(int pidfd) {
  siginfo_t info{};
  const auto idtype = static_cast<idtype_t>(P_PIDFD);
  if (::waitid(idtype, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG) == 0) {
    if (info.si_pid == 0) return base::fail(ErrorCode::kBusy, "waitid");
    return ExitInfo{true, info.si_code != CLD_EXITED, info.si_status};
  }
  // The event loop makes a pidfd non-blocking, and then a living child gives EAGAIN.
  if (errno == EAGAIN) return base::fail(ErrorCode::kBusy, "waitid");
  if (errno != ECHILD) return base::fail(base::os_error("waitid", errno));
  pollfd wait{pidfd, POLLIN, 0};
  if (::poll(&wait, 1, 0) == 0) return base::fail(ErrorCode::kBusy, "poll");
  wait.events = 0;  // POLLHUP alone: collected by its parent
  ::poll(&wait, 1, kCollectedBoundMs);
  const auto status = exit_status_of_ended(pidfd);
  if (!status) return ExitInfo{.known = false};
  if (WIFSIGNALED(*status)) return ExitInfo{true, true, WTERMSIG(*status)};
  return ExitInfo{true, false, WEXITSTATUS(*status)};
}

namespace {

class PidfdWatch final : public ExitWatch {
 public:
  PidfdWatch(int pidfd, std::function<void(ExitInfo)> on_exit)
      : pidfd_(pidfd), on_exit_(std::move(on_exit)) {}

  base::Result<void> start(io::Loop& loop) {
    auto watch = FdWatch::create(loop, pidfd_, [this] { on_ready(); });
    if (!watch) return base::fail(watch.error());
    watch_ = std::move(*watch);
    watch_->arm(true);
    return {};
  }

 private:
  void on_ready() {
    const auto info = take_exit(pidfd_);
    if (!info && info.error().code == ErrorCode::kBusy) {
      watch_->arm(true);
      return;
    }
    // The handler may destroy this watch: nothing of it is touched any more.
    const auto handler = std::move(on_exit_);
    handler(info.value_or(ExitInfo{.known = false}));
  }

  int pidfd_;
  std::function<void(ExitInfo)> on_exit_;
  std::unique_ptr<FdWatch> watch_;
};

}  // namespace

base::Result<std::unique_ptr<ExitWatch>> ExitWatch::create(io::Loop& loop, int pidfd,
                                                           std::function<void(ExitInfo)> on_exit) {
  auto watch = std::make_unique<PidfdWatch>(pidfd, std::move(on_exit));
  if (const auto started = watch->start(loop); !started) return base::fail(started.error());
  return watch;
}

base::Result<void> adopt_orphans() {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
    return base::fail(base::os_error("prctl", errno));
  }
  return {};
}

int collect_orphans(const std::vector<pid_t>& ours) {
  int collected = 0;
  const pid_t self = ::getpid();
  for (const auto& process : list_processes()) {
    if (collected == kOrphansMax) break;
    if (process.parent != self || process.state != 'Z') continue;
    if (std::ranges::find(ours, process.key.pid) != ours.end()) continue;
    if (::waitpid(process.key.pid, nullptr, WNOHANG) > 0) ++collected;
  }
  return collected;
}

}  // namespace wakeline::sys
