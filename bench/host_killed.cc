// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string_view>

#include "bed.h"
#include "bench.h"
#include "io/unique_fd.h"
#include "linux/cgroup.h"
#include "linux/proc.h"

// Nobody is left frozen: the guardian's part, and the next host's.
namespace wakeline::bench {
namespace {

constexpr int kTimeoutMs = 30'000;

/// Sees the cgroups of apps thaw: the kernel tells of each change in `cgroup.events`.
class Thaws {
 public:
  static Outcome<Thaws> watch(Bed& bed) {
    Thaws thaws;
    thaws.epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    const auto mount = sys::find_cgroup_mount();
    if (!mount) return std::unexpected("cgroup v2 is not mounted");
    const auto apps = bed.control().list();
    if (!apps) return std::unexpected("the host does not list its apps: " + apps.error().message);
    for (const wire::host::AppInfo& app : *apps) {
      const auto cgroup = sys::cgroup_path_of(static_cast<pid_t>(app.pid));
      if (!cgroup) return std::unexpected(app.app + ": it is in no cgroup");
      const std::string path = mount->path + *cgroup + "/cgroup.events";
      io::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!file) return std::unexpected(path + ": cannot be read");
      if (!frozen(file.get())) return std::unexpected(app.app + " is not suspended");
      epoll_event wanted{};
      wanted.events = EPOLLPRI | EPOLLET;
      wanted.data.fd = file.get();
      if (::epoll_ctl(thaws.epoll_.get(), EPOLL_CTL_ADD, file.get(), &wanted) != 0)
        return std::unexpected(path + ": cannot be watched");
      thaws.files_.push_back(std::move(file));
    }
    return thaws;
  }

  /// Waits until all are thawed. Returns: the times since `start`.
  Outcome<Samples> wait(std::int64_t start) {
    Samples samples;
    while (samples.size() < files_.size()) {
      std::array<epoll_event, 64> events{};
      const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), kTimeoutMs);
      const std::int64_t now = monotonic_ns();
      if (count <= 0)
        return std::unexpected(
            fmt::format("{} of {} apps run again", samples.size(), files_.size()));
      for (int i = 0; i < count; ++i) {
        const int file = events[static_cast<std::size_t>(i)].data.fd;
        if (frozen(file)) continue;
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, file, nullptr);
        samples.add(now - start);
      }
    }
    return samples;
  }

 private:
  static bool frozen(int file) {
    std::array<char, 256> text{};
    const ssize_t size = ::pread(file, text.data(), text.size(), 0);
    return size > 0 &&
           std::string_view(text.data(), static_cast<std::size_t>(size)).contains("frozen 1");
  }

  io::UniqueFd epoll_;
  std::vector<io::UniqueFd> files_;
};

/// For as long as it lives this thread runs before the apps, if it may: a thousand of them that
/// have something to do at the same time would keep it from seeing when the last one was thawed.
class Watching {
 public:
  Watching() { set(SCHED_RR, 2); }
  Watching(const Watching&) = delete;
  Watching& operator=(const Watching&) = delete;
  ~Watching() { set(SCHED_OTHER, 0); }
  bool first() const { return first_; }

 private:
  void set(int policy, int priority) {
    const sched_param wanted{.sched_priority = priority};
    first_ = ::sched_setscheduler(0, policy, &wanted) == 0;
  }
  bool first_ = false;
};

}  // namespace

cli::Outcome<Report> run_host_killed(bool quick) {
  const int apps = quick ? 100 : 1'000;
  const int rounds = quick ? 2 : 5;
  auto door = Door::open();
  if (!door) return std::unexpected(door.error());
  auto bed = Bed::make({"killed", "cgroup", apps, {"relaunch_quick=0s"}}, *door);
  if (!bed) return std::unexpected(bed.error());
  bool watched_first = false;
  Samples half;
  Samples last;
  Samples next;
  for (int round = 0; round < rounds; ++round) {
    auto thaws = Thaws::watch(**bed);
    if (!thaws) return std::unexpected(thaws.error());
    const auto thawed = [&] {
      const Watching watching;
      watched_first = watching.first();
      const std::int64_t start = monotonic_ns();
      ::kill((*bed)->host_pid(), SIGKILL);
      return thaws->wait(start);
    }();
    // Its end is waited for now, because the apps do not wait for it.
    (*bed)->crash_host();
    if (!thawed) return std::unexpected(thawed.error());
    half.add(static_cast<std::int64_t>(thawed->percentile_us(50) * 1'000));
    last.add(static_cast<std::int64_t>(thawed->percentile_us(100) * 1'000));
    const std::int64_t restart = monotonic_ns();
    if (const auto again = (*bed)->restart_host(); !again) return std::unexpected(again.error());
    next.add(monotonic_ns() - restart);
    if (const auto asleep = (*bed)->await_asleep(); !asleep) return std::unexpected(asleep.error());
  }
  Report report{fmt::format("host-killed: {} suspended apps, SIGKILL for their host", apps),
                quick ? "wakeline bench host-killed --quick" : "wakeline bench host-killed",
                machine_line(),
                {},
                {}};
  report.figures = {
      {"half of the apps run again after", half.percentile_us(50) / 1'000, "ms", std::nullopt, ""},
      {"all apps run again after", last.percentile_us(50) / 1'000, "ms", std::nullopt, ""},
      {fmt::format("all apps run again after, the longest of {}", rounds),
       last.percentile_us(100) / 1'000, "ms", std::nullopt, ""},
      {"a host started then has taken all of them over after", next.percentile_us(50) / 1'000, "ms",
       std::nullopt, ""},
  };
  report.notes.push_back(
      fmt::format("The median of {} rounds. An app runs again when the kernel "
                  "says so in its cgroup.events.",
                  rounds));
  return report;
}

}  // namespace wakeline::bench
