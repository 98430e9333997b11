// SPDX-License-Identifier: Apache-2.0
#include "process_steps.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <filesystem>
#include <map>
#include <set>

#include "base/check.h"

namespace wakeline::test {
namespace {

/// What a call is about: its first argument, or a path at one of its arguments.
struct Kind {
  const char* name;
  int path = -1;       ///< the argument that is a path; -1: the first is a descriptor
  bool takes = false;  ///< takes bytes out of a descriptor
  int only_with = -1;  ///< the argument that must have O_CREAT
};

const std::map<long, Kind>& kinds() {
  static const std::map<long, Kind> all = {
      {SYS_read, {.name = "read", .takes = true}},
      {SYS_readv, {.name = "readv", .takes = true}},
      {SYS_recvfrom, {.name = "recvfrom", .takes = true}},
      {SYS_recvmsg, {.name = "recvmsg", .takes = true}},
      {SYS_write, {.name = "write"}},
      {SYS_writev, {.name = "writev"}},
      {SYS_pwrite64, {.name = "pwrite64"}},
      {SYS_pwritev, {.name = "pwritev"}},
      {SYS_sendto, {.name = "sendto"}},
      {SYS_sendmsg, {.name = "sendmsg"}},
      {SYS_fsync, {.name = "fsync"}},
      {SYS_fdatasync, {.name = "fdatasync"}},
      {SYS_ftruncate, {.name = "ftruncate"}},
      {SYS_fallocate, {.name = "fallocate"}},
      {SYS_fchmod, {.name = "fchmod"}},
      {SYS_openat, {.name = "create", .path = 1, .only_with = 2}},
      {SYS_renameat, {.name = "rename", .path = 3}},
      {SYS_renameat2, {.name = "rename", .path = 3}},
      {SYS_unlinkat, {.name = "unlink", .path = 1}},
#ifdef SYS_rename
      {SYS_rename, {.name = "rename", .path = 1}},
#endif
#ifdef SYS_unlink
      {SYS_unlink, {.name = "unlink", .path = 0}},
#endif
  };
  return all;
}

bool is_syscall_stop(int status) { return WSTOPSIG(status) == (SIGTRAP | 0x80); }

__ptrace_syscall_info info_of(pid_t thread) {
  __ptrace_syscall_info info{};
  ::ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info);
  return info;  // of no kind where the thread has died
}

void go_on(pid_t thread, int signal = 0) { ::ptrace(PTRACE_SYSCALL, thread, nullptr, signal); }

}  // namespace

ProcessSteps::ProcessSteps(pid_t pid, std::size_t kill_at, When when)
    : pid_(pid),
      process_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))),
      kill_at_(kill_at),
      when_(when) {
  WL_CHECK(process_);
  std::promise<void> promise;
  auto following = promise.get_future();
  // All of ptrace(2) belongs to the thread that attached.
  thread_ = std::thread([this, p = std::move(promise)]() mutable { follow(std::move(p)); });
  following.get();
}

ProcessSteps::~ProcessSteps() {
  kill_now();
  thread_.join();
}

std::vector<ProcessSteps::Step> ProcessSteps::steps() const {
  const std::lock_guard lock(mutex_);
  return steps_;
}

void ProcessSteps::follow(std::promise<void> following) {
  attach();
  following.set_value();
  while (true) {
    siginfo_t next{};
    constexpr int kWhat = WEXITED | WSTOPPED | WNOWAIT | __WALL | __WNOTHREAD;
    if (::waitid(P_ALL, 0, &next, kWhat) != 0) return;
    const bool stopped = next.si_code == CLD_TRAPPED || next.si_code == CLD_STOPPED;
    if (next.si_pid == pid_ && !stopped) return;  // its parent reaps it
    int status = 0;
    if (::waitpid(next.si_pid, &status, __WALL | __WNOTHREAD | WNOHANG) <= 0) continue;
    if (WIFSTOPPED(status) && !on_stop(next.si_pid, status)) return;
  }
}

/// Also the threads that begin meanwhile.
void ProcessSteps::attach() {
  std::set<pid_t> known;
  for (bool more = true; more;) {
    more = false;
    for (const auto& task :
         std::filesystem::directory_iterator("/proc/" + std::to_string(pid_) + "/task")) {
      const pid_t thread = std::stoi(task.path().filename().string());
      if (!known.insert(thread).second) continue;
      more = true;
      constexpr unsigned long kOptions =
          PTRACE_O_TRACECLONE | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
      // One that began by a thread that is followed already is followed by itself.
      if (::ptrace(PTRACE_SEIZE, thread, nullptr, kOptions) != 0) continue;
      WL_CHECK(::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) == 0);
    }
  }
  WL_CHECK(!known.empty());
  // Each reports its stop to follow().
}

bool ProcessSteps::on_stop(pid_t thread, int status) {
  if (is_syscall_stop(status)) return on_call(thread);
  const bool event = (status >> 16) != 0;
  go_on(thread, event ? 0 : WSTOPSIG(status));
  return true;
}

bool ProcessSteps::on_call(pid_t thread) {
  const __ptrace_syscall_info info = info_of(thread);
  std::optional<Step> step;
  bool takes = false;
  if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
    Call call{info.entry.nr, {}};
    std::copy_n(info.entry.args, 6, call.arguments);
    step = step_of(call);
    takes = step && kinds().at(static_cast<long>(call.number)).takes;
  }
  if (!step) {
    go_on(thread);
    return true;
  }
  if (!takes && when_ == When::kBefore && steps().size() + 1 == kill_at_) {
    step->done = false;
    note(std::move(*step));
    kill_now();  // the kernel skips the call of a thread that is being killed
    killed_ = true;
    return false;
  }
  const auto result = finish(thread);
  if (!result) return true;
  if (!takes || *result > 0) {
    if (steps().size() + 1 == kill_at_) {
      note(std::move(*step));
      kill_now();
      killed_ = true;
      return false;
    }
    note(std::move(*step));
  }
  go_on(thread);
  return true;
}

std::optional<ProcessSteps::Step> ProcessSteps::step_of(const Call& call) const {
  const auto found = kinds().find(static_cast<long>(call.number));
  if (found == kinds().end()) return std::nullopt;
  const Kind& kind = found->second;
  if (kind.only_with >= 0 && (call.arguments[kind.only_with] & O_CREAT) == 0) return std::nullopt;
  Step step{kind.name, {}, true};
  if (kind.path >= 0) {
    step.target = text_at(call.arguments[kind.path]);
    return step;
  }
  step.target = descriptor(call.arguments[0]);
  // Within the process: eventfds, timers.
  if (step.target.starts_with("anon_inode:")) return std::nullopt;
  if (kind.takes && !step.target.starts_with("socket:")) return std::nullopt;
  return step;
}

/// The call that the thread has begun. Returns: its result; nothing when it died.
std::optional<std::int64_t> ProcessSteps::finish(pid_t thread) {
  go_on(thread);
  int status = 0;
  while (::waitpid(thread, &status, __WALL) == thread && WIFSTOPPED(status)) {
    const __ptrace_syscall_info info = info_of(thread);
    if (is_syscall_stop(status) && info.op == PTRACE_SYSCALL_INFO_EXIT) return info.exit.rval;
    go_on(thread, (status >> 16) != 0 || is_syscall_stop(status) ? 0 : WSTOPSIG(status));
  }
  return std::nullopt;
}

void ProcessSteps::note(Step step) {
  const std::lock_guard lock(mutex_);
  steps_.push_back(std::move(step));
}

/// By a descriptor: the number may be another process's once the parent has reaped it.
void ProcessSteps::kill_now() {
  ::syscall(SYS_pidfd_send_signal, process_.get(), SIGKILL, nullptr, 0);
}

std::string ProcessSteps::descriptor(std::uint64_t fd) const {
  std::error_code error;
  const auto target = std::filesystem::read_symlink(
      "/proc/" + std::to_string(pid_) + "/fd/" + std::to_string(static_cast<int>(fd)), error);
  return error ? std::string() : target.string();
}

std::string ProcessSteps::text_at(std::uint64_t address) const {
  std::array<char, PATH_MAX> text{};
  // Never over the end of a page: the next one need not be there.
  constexpr std::size_t kPage = 4096;
  std::size_t length = 0;
  while (length < text.size() - 1) {
    const std::size_t rest = std::min(kPage - (address + length) % kPage, text.size() - 1 - length);
    const iovec here{text.data() + length, rest};
    const iovec there{reinterpret_cast<void*>(address + length), rest};
    if (::process_vm_readv(pid_, &here, 1, &there, 1, 0) <= 0) break;
    if (std::find(text.data() + length, text.data() + length + rest, '\0') !=
        text.data() + length + rest)
      break;
    length += rest;
  }
  return text.data();
}

std::string to_text(const std::vector<ProcessSteps::Step>& steps) {
  std::string text;
  for (std::size_t i = 0; i < steps.size(); ++i)
    text += std::to_string(i + 1) + " " + steps[i].call + " " + steps[i].target +
            (steps[i].done ? "\n" : " (not done)\n");
  return text;
}

}  // namespace wakeline::test
