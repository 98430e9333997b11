// SPDX-License-Identifier: Apache-2.0
#include "linux/doctor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <thread>
#include <tuple>

#include "linux/cgroup.h"
#include "linux/control_file.h"
#include "linux/doctor_sleeper.h"
#include "linux/freezer.h"
#include "linux/proc.h"
#include "linux/process.h"
#include "linux/process_limits.h"
#include "linux/socket_probe.h"

namespace wakeline::sys {
namespace {

// cgroup.kill; everything else that we use is older (close_range 5.11, CLONE_INTO_CGROUP 5.7).
constexpr int kKernelMajor = 5;
constexpr int kKernelMinor = 14;
// A thousand apps with a tagged socket each, and four descriptors of ours for each app.
constexpr rlim_t kFilesWanted = 8'192;

Probe good(const char* name, std::string found) {
  return {name, ProbeState::kOk, std::move(found), {}, {}};
}

// Whether the effective set of this process has the capability.
bool has_capability(int number) {
  const auto text = read_control(AT_FDCWD, "/proc/self/status");
  std::uint64_t set = 0;
  for_each_line(text.value_or(""), [&](std::string_view line) {
    constexpr std::string_view kKey = "CapEff:\t";
    if (!line.starts_with(kKey)) return;
    line.remove_prefix(kKey.size());
    std::from_chars(line.data(), line.data() + line.size(), set, 16);
  });
  return (set >> number & 1) != 0;
}

// Freezes a real process in a cgroup beside the host's, whose name no host has.
base::Result<FreezeOutcome> try_freeze(const DoctorOptions& options) {
  const auto tree = CgroupTree::open(fmt::format("doctor-{}", ::getpid()), options.cgroup_parent);
  if (!tree) return base::fail(tree.error());
  base::Result<FreezeOutcome> outcome = FreezeOutcome::kIncomplete;
  if (auto cgroup = tree->open_app("try"); !cgroup) {
    outcome = base::fail(cgroup.error());
  } else {
    {
      const Sleeper sleeper(cgroup->fd());
      outcome = sleeper.process() ? cgroup->freeze() : base::fail(sleeper.process().error());
    }
    const auto removed = cgroup->remove();
    if (outcome && !removed) outcome = base::fail(removed.error());
  }
  ::rmdir(tree->folder().c_str());
  return outcome;
}

}  // namespace

Probe probe_kernel() {
  utsname name = {};
  ::uname(&name);
  int major = 0;
  int minor = 0;
  std::sscanf(name.release, "%d.%d", &major, &minor);
  const auto found = fmt::format("Linux {}", name.release);
  if (major > kKernelMajor || (major == kKernelMajor && minor >= kKernelMinor)) {
    return good("kernel", found);
  }
  return {"kernel", ProbeState::kDegraded, found,
          "processes of an app are killed one by one; before 5.11 no app can be started",
          fmt::format("install a kernel of {}.{} or later", kKernelMajor, kKernelMinor)};
}

Probe probe_cgroup(const DoctorOptions& options) {
  const std::string fallback =
      "apps are suspended by SIGSTOP and SIGCONT; a restarted host knows less of them";
  const auto mount = find_cgroup_mount();
  if (!mount) {
    return {"cgroup", ProbeState::kMissing, "no cgroup v2 is mounted", fallback,
            "mount -t cgroup2 none /sys/fs/cgroup (or boot with "
            "systemd.unified_cgroup_hierarchy=1)"};
  }
  const auto folder = CgroupTree::choose(options.host_name, options.cgroup_parent);
  if (!folder) {
    return {"cgroup", ProbeState::kMissing,
            fmt::format("cgroup v2 at {}, but nothing in it may be written: {}", mount->path,
                        base::to_string(folder.error())),
            fallback, "systemd-run --user --scope -p Delegate=yes wakeline host"};
  }
  const auto outcome = try_freeze(options);
  if (!outcome) {
    return {"cgroup", ProbeState::kMissing,
            fmt::format("{} cannot be used: {}", *folder, base::to_string(outcome.error())),
            fallback, "systemd-run --user --scope -p Delegate=yes wakeline host"};
  }
  if (*outcome == FreezeOutcome::kIncomplete) {
    return {"cgroup", ProbeState::kDegraded,
            fmt::format("a process in {} was not frozen within 200 ms", *folder),
            "an app counts as suspended while a part of it may still run",
            "look for hanging devices: ps -eo pid,stat,wchan,cmd | grep ' D'"};
  }
  return good("cgroup", fmt::format("cgroup v2 freezer, in {}", *folder));
}

Probe probe_pidfd_getfd() {
  const Sleeper sleeper;
  base::Result<io::UniqueFd> tried = base::fail(base::Error{});
  if (sleeper.process()) {
    tried = duplicate_fd(sleeper.process()->pidfd.get(), 0);
  } else {
    tried = base::fail(sleeper.process().error());
  }
  if (tried) return good("pidfd_getfd", "a descriptor of a child was duplicated");
  return {"pidfd_getfd", ProbeState::kMissing, base::to_string(tried.error()),
          "no socket can be tagged: suspended apps are woken by keep-alive alone",
          "sysctl kernel.yama.ptrace_scope=1, and allow pidfd_getfd in the container's seccomp "
          "profile"};
}

Probe probe_yama() {
  const auto text = read_control(AT_FDCWD, "/proc/sys/kernel/yama/ptrace_scope");
  if (!text) return good("yama", "not active");
  const char scope = text->empty() ? '0' : (*text)[0];
  const auto found = fmt::format("kernel.yama.ptrace_scope = {}", scope);
  if (scope == '0' || (scope < '3' && has_capability(CAP_SYS_PTRACE))) return good("yama", found);
  if (scope == '1') {
    return {"yama", ProbeState::kDegraded, found,
            "an app that an earlier host started cannot be watched until it is started anew",
            "sysctl kernel.yama.ptrace_scope=0, or give the host CAP_SYS_PTRACE"};
  }
  return {"yama", ProbeState::kMissing, found,
          "no socket can be tagged: suspended apps are woken by keep-alive alone",
          "sysctl kernel.yama.ptrace_scope=1"};
}

namespace {

/// limits.file_tables of the server's configuration; a seccomp filter may refuse it.
bool may_have_tables() {
  bool may = false;
  std::thread([&] { may = ::unshare(CLONE_FILES) == 0; }).join();
  return may;
}

}  // namespace

Probe probe_files() {
  rlimit files = {};
  ::getrlimit(RLIMIT_NOFILE, &files);
  const auto found =
      fmt::format("RLIMIT_NOFILE {}, at most {}; a table for each shard of the server: {}",
                  files.rlim_cur, files.rlim_max, may_have_tables() ? "may be" : "not permitted");
  if (files.rlim_max >= kFilesWanted) return good("files", found);
  return {"files", ProbeState::kDegraded, found,
          "fewer apps and tagged sockets: each app takes four descriptors, each tag one",
          fmt::format("LimitNOFILE={} in the host's unit, or ulimit -Hn {}", kFilesWanted,
                      kFilesWanted)};
}

Probe probe_priority() {
  // In a child, which alone keeps what it gets.
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(raise_priority() ? 0 : 1);
  int status = -1;
  if (pid > 0) ::waitpid(pid, &status, 0);
  if (status == 0) return good("priority", "the host may run at nice -10");
  return {"priority", ProbeState::kDegraded, "the host may not run at nice -10",
          "an app that takes all of the processor delays the wake of the next one",
          "LimitNICE=-10 in the host's unit, or give it CAP_SYS_NICE"};
}

Probe probe_alarm() {
  const std::string fallback =
      "deadlines that fall into a sleep of the machine are met when it wakes";
  const io::UniqueFd timer(::timerfd_create(CLOCK_BOOTTIME_ALARM, TFD_CLOEXEC));
  if (!timer) {
    return {"alarm", ProbeState::kMissing,
            fmt::format("timers may not wake the machine: {}",
                        base::to_string(base::os_error("timerfd_create", errno))),
            fallback, "AmbientCapabilities=CAP_WAKE_ALARM in the host's unit"};
  }
  // The timerfd is given without a clock that could wake the machine; this call is honest.
  sigevent silent = {};
  silent.sigev_notify = SIGEV_NONE;
  timer_t posix_timer = {};
  if (::timer_create(CLOCK_BOOTTIME_ALARM, &silent, &posix_timer) != 0) {
    return {"alarm", ProbeState::kDegraded, "no real-time clock that can wake the machine",
            fallback, "none in software: a machine (or virtual machine) with an RTC alarm"};
  }
  ::timer_delete(posix_timer);
  return good("alarm", "timers wake the machine (CLOCK_BOOTTIME_ALARM)");
}

std::vector<Probe> examine(const DoctorOptions& options) {
  return {probe_kernel(),  probe_cgroup(options), probe_pidfd_getfd(), probe_yama(),
          probe_files(),   probe_priority(),      probe_alarm(),       probe_sleep(),
          probe_network(), probe_calls(),         probe_reclaim(),     probe_session_bus()};
}

}  // namespace wakeline::sys
