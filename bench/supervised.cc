// SPDX-License-Identifier: Apache-2.0
#include "supervised.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "folder.h"
#include "io/clock.h"
#include "io/unique_fd.h"
#include "linux/proc.h"
#include "linux/process.h"

namespace wakeline::bench {
namespace {

/// Until what does not end is killed.
constexpr base::Duration kGrace = std::chrono::seconds(6);
constexpr int kLookMs = 10;

/// What lost its parent has become a child of ours.
void end_children() {
  const base::Instant kill_at = io::now() + kGrace;
  std::set<pid_t> told;
  for (;;) {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    bool any = false;
    for (const auto& process : sys::list_processes()) {
      if (process.parent != ::getpid()) continue;
      any = true;
      const pid_t pid = process.key.pid;
      if (io::now() >= kill_at) {
        ::kill(pid, SIGKILL);
      } else if (told.insert(pid).second) {
        ::kill(pid, SIGTERM);
        ::kill(pid, SIGCONT);
      }
    }
    if (!any) return;
    ::poll(nullptr, 0, kLookMs);
  }
}

}  // namespace

Ending supervised(const std::function<int()>& work) {
  Folder folder;
  if (folder.path().empty() || !sys::adopt_orphans()) return {work(), 0};
  sigset_t signals, before;
  ::sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) ::sigaddset(&signals, number);
  ::sigprocmask(SIG_BLOCK, &signals, &before);
  const io::UniqueFd told(::signalfd(-1, &signals, SFD_CLOEXEC));
  std::fflush(nullptr);
  const pid_t worker = told ? ::fork() : -1;
  if (worker <= 0) {
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    if (worker == 0) ::setenv("TMPDIR", folder.path().c_str(), 1);
    const int code = work();
    if (worker < 0) return {code, 0};
    std::fflush(nullptr);
    ::_exit(code);
  }
  Ending ending{.code = -1};
  for (bool over = false; !over && ending.signal == 0;) {
    signalfd_siginfo one{};
    if (::read(told.get(), &one, sizeof one) != sizeof one) continue;
    if (one.ssi_signo != SIGCHLD) {
      ending.signal = static_cast<int>(one.ssi_signo);
      ::kill(worker, SIGKILL);
      ::waitpid(worker, nullptr, 0);
      continue;
    }
    int status = 0;
    for (pid_t ended = 0; (ended = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (ended != worker) continue;  // one that had lost its parent
      over = true;
      if (WIFEXITED(status)) ending.code = WEXITSTATUS(status);
    }
  }
  end_children();
  if (ending.signal == 0 && ending.code != 0) folder.keep_full();
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  return ending;
}

}  // namespace wakeline::bench
