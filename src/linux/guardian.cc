// SPDX-License-Identifier: Apache-2.0
#include "linux/guardian.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstddef>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "linux/cgroup.h"
#include "linux/process.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;

constexpr char kWillStop = 'S';
constexpr char kHaveResumed = 'R';
constexpr std::size_t kKeysPerMessage = 128;
// A guardian that somebody has stopped must not hang the host.
constexpr timeval kReportBound = {1, 0};
constexpr int kEndBoundMs = 1'000;
// When a process ends, the kernel closes its files from the highest number down: 20 ms for the
// 4,000 of a host of a thousand apps. The channel's end is seen before all that has a number below
// this.
constexpr int kHighNumber = 8'191;

// One message; its true size says how many keys it has.
struct Message {
  char what = 0;
  ProcessKey keys[kKeysPerMessage];
};

constexpr std::size_t size_of(std::size_t keys) {
  return offsetof(Message, keys) + keys * sizeof(ProcessKey);
}

void close_all_but(std::vector<int> kept) {
  std::ranges::sort(kept);
  unsigned first = 3;
  for (const int fd : kept) {
    if (static_cast<unsigned>(fd) > first) ::syscall(SYS_close_range, first, fd - 1, 0);
    first = static_cast<unsigned>(fd) + 1;
  }
  ::syscall(SYS_close_range, first, UINT_MAX, 0);
}

// The guardian's life. It is a fork of the host, so it must not return.
class Watchman {
 public:
  Watchman(int host, int channel, const std::string& tree)
      : host_(host), channel_(channel), tree_(tree) {}

  [[noreturn]] void run() {
    while (true) {
      pollfd wait[2] = {{host_, POLLIN, 0}, {channel_, POLLIN, 0}};
      if (::poll(wait, 2, -1) < 0 && errno != EINTR) ::_exit(let_all_run() ? 2 : 3);
      const bool host_gone = wait[0].revents != 0;
      // What the host said before it died is still in the socket.
      const bool channel_gone = !read_all();
      if (host_gone || channel_gone) ::_exit(let_all_run() ? 0 : 1);
    }
  }

 private:
  // Returns: false at the end of the channel.
  bool read_all() {
    while (true) {
      Message message;
      const ssize_t got = ::recv(channel_, &message, sizeof message, MSG_DONTWAIT);
      if (got < 0) return errno == EAGAIN || errno == EINTR;
      if (got == 0) return false;
      const auto size = static_cast<std::size_t>(got);
      if (size < size_of(1)) continue;
      for (std::size_t i = 0; i < (size - size_of(0)) / sizeof(ProcessKey); ++i) {
        if (message.what == kWillStop) stopped_.insert(message.keys[i]);
        if (message.what == kHaveResumed) stopped_.erase(message.keys[i]);
      }
    }
  }

  bool let_all_run() {
    bool good = true;
    keep_the_processor();
    for (const auto& key : stopped_) {
      const auto pidfd = open_pidfd(key);
      if (pidfd) good = send_signal(pidfd->get(), SIGCONT).has_value() && good;
    }
    if (!tree_.empty()) {
      const auto thawed = thaw_tree(tree_);
      good = good && (thawed || thawed.error().code == ErrorCode::kNotFound);
    }
    return good;
  }

  // Every app that runs again would take the processor from the one who thaws the rest. The work is
  // bounded, so that a real-time policy does no harm; without the right to it (RLIMIT_RTPRIO) the
  // rest comes later.
  static void keep_the_processor() {
    const sched_param lowest{.sched_priority = 1};
    std::ignore = ::sched_setscheduler(0, SCHED_RR, &lowest);
  }

  int host_;
  int channel_;
  std::string tree_;
  std::set<ProcessKey> stopped_;
};

[[noreturn]] void run_guardian(int host, int channel, const std::string& tree) {
  // Out of the host's session and process group: a terminal's signals are for the host.
  ::setsid();
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &action, nullptr);
  action.sa_handler = SIG_IGN;
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2}) {
    ::sigaction(number, &action, nullptr);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::prctl(PR_SET_NAME, "wakeline-guard", 0, 0, 0);
  // Whoever reads the host's output must see its end when the host ends.
  const int null_fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd <= 2 && null_fd >= 0; ++fd) ::dup2(null_fd, fd);
  close_all_but({host, channel});
  Watchman(host, channel, tree).run();
}

}  // namespace

base::Result<Guardian> Guardian::start(const std::string& tree) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return base::fail(base::os_error("guardian", errno));
  }
  Guardian guardian;
  guardian.channel_.reset(ends[0]);
  // Without it, where the limit is lower, the guardian sees the end a little later.
  if (const int high = ::fcntl(ends[0], F_DUPFD_CLOEXEC, kHighNumber); high >= 0)
    guardian.channel_.reset(high);
  const io::UniqueFd other(ends[1]);
  ::setsockopt(guardian.channel_.get(), SOL_SOCKET, SO_SNDTIMEO, &kReportBound,
               sizeof kReportBound);
  // Made before the fork: a guardian that opened it later could find the number taken over.
  const io::UniqueFd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  if (!self) return base::fail(base::os_error("guardian", errno));
  // No signal may reach the child before it ignores them.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  guardian.pid_ = ::fork();
  const int error = errno;
  if (guardian.pid_ == 0) run_guardian(self.get(), other.get(), tree);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (guardian.pid_ < 0) return base::fail(base::os_error("guardian", error));
  guardian.pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, guardian.pid_, 0)));
  if (!guardian.pidfd_) return base::fail(base::os_error("guardian", errno));
  return guardian;
}

Guardian& Guardian::operator=(Guardian&& other) noexcept {
  if (this == &other) return *this;
  end();
  pid_ = other.pid_;
  pidfd_ = std::move(other.pidfd_);
  channel_ = std::move(other.channel_);
  return *this;
}

Guardian::~Guardian() { end(); }

void Guardian::end() {
  channel_.reset();
  if (!pidfd_) return;
  pollfd wait{pidfd_.get(), POLLIN, 0};
  ::poll(&wait, 1, kEndBoundMs);
  std::ignore = take_exit(pidfd_.get());
  pidfd_.reset();
}

bool Guardian::alive() const {
  pollfd wait{pidfd_.get(), POLLIN, 0};
  return pidfd_ && ::poll(&wait, 1, 0) != 1;
}

base::Result<void> Guardian::report(char what, std::span<const ProcessKey> processes) {
  while (!processes.empty()) {
    const auto count = std::min(processes.size(), kKeysPerMessage);
    Message message;
    message.what = what;
    std::ranges::copy(processes.first(count), message.keys);
    if (::send(channel_.get(), &message, size_of(count), MSG_NOSIGNAL) < 0) {
      return base::fail(ErrorCode::kClosed, "guardian", errno);
    }
    processes = processes.subspan(count);
  }
  return {};
}

base::Result<void> Guardian::will_stop(std::span<const ProcessKey> processes) {
  return report(kWillStop, processes);
}

base::Result<void> Guardian::have_resumed(std::span<const ProcessKey> processes) {
  return report(kHaveResumed, processes);
}

}  // namespace wakeline::sys
