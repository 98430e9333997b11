// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <iterator>
#include <memory>
#include <thread>

#include "base/random.h"
#include "bed.h"
#include "bench.h"

namespace wakeline::bench {
namespace {

using namespace std::chrono_literals;

struct Modes {
  Samples never;
  Samples cgroup;
  Samples sigstop;

  void append(const Modes& other) {
    never.append(other.never);
    cgroup.append(other.cgroup);
    sigstop.append(other.sigstop);
  }
};

/// A process that spins on one processor until destroyed.
class Load {
 public:
  Load() : pid_(::fork()) {
    if (pid_ == 0) {
      for (;;) asm volatile("" ::: "memory");
    }
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  ~Load() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_;
};

/// Gap before each byte, random so that it meets no timer's phase.
void pause_between(base::Random& random) {
  const auto gap = random.between(800us, 2300us);
  const timespec span{0, gap.count()};
  ::nanosleep(&span, nullptr);
}

/// Rings the app of `bed` when it is asleep.
Outcome<std::int64_t> ring_asleep(Bed& bed, base::Random& random) {
  pause_between(random);
  const auto ns = ring(bed.lines()[0]);
  if (!ns) return ns;
  if (const auto asleep = bed.await_suspended(bed.lines()[0].app); !asleep)
    return std::unexpected(asleep.error());
  return ns;
}

/// The three modes in turn, so that a change of the machine's speed meets all of them.
Outcome<Modes> play(const Line& never, Bed& cgroup, Bed& sigstop, int rings, base::Random& random) {
  Modes modes;
  for (int i = 0; i < rings; ++i) {
    pause_between(random);
    const auto a = ring(never);
    if (!a) return std::unexpected(a.error());
    const auto b = ring_asleep(cgroup, random);
    if (!b) return std::unexpected(b.error());
    const auto c = ring_asleep(sigstop, random);
    if (!c) return std::unexpected(c.error());
    modes.never.add(*a);
    modes.cgroup.add(*b);
    modes.sigstop.add(*c);
  }
  return modes;
}

/// How many more threads an app has in one mode; all of them are frozen and thawed with it.
constexpr int kThreads[] = {10, 100};

/// Against the floor, in turn, as in `play`.
struct ThreadModes {
  Samples never;
  std::array<Samples, std::size(kThreads)> suspended;
};

Outcome<ThreadModes> play_threads(const Line& never, const std::vector<std::string>& profile,
                                  const Door& door, int rings, base::Random& random) {
  std::vector<std::unique_ptr<Bed>> beds;
  for (const int threads : kThreads) {
    auto bed = Bed::make({fmt::format("threads{}", threads), "cgroup", 1, profile, 1,
                          fmt::format("BENCH_THREADS={};", threads)},
                         door);
    if (!bed) return std::unexpected(bed.error());
    beds.push_back(std::move(*bed));
  }
  ThreadModes modes;
  for (int i = 0; i < rings; ++i) {
    pause_between(random);
    const auto floor = ring(never);
    if (!floor) return std::unexpected(floor.error());
    modes.never.add(*floor);
    for (std::size_t k = 0; k < beds.size(); ++k) {
      const auto ns = ring_asleep(*beds[k], random);
      if (!ns) return std::unexpected(ns.error());
      modes.suspended[k].add(*ns);
    }
  }
  return modes;
}

/// From the kill of the app to the `recv` of the app that the host started in its place.
Outcome<Samples> relaunch(Bed& bed, const Door& door, int rounds) {
  Samples samples;
  const std::string app = bed.lines()[0].app;
  // Kept open: an app whose server closes the line ends well, and a well ended app stays ended.
  std::vector<Line> lines;
  for (int i = 0; i < rounds; ++i) {
    const auto apps = bed.control().list();
    if (!apps) return std::unexpected("the host does not list its apps: " + apps.error().message);
    if (apps->empty() || apps->front().pid <= 0) return std::unexpected(app + " does not run");
    const std::int64_t start = monotonic_ns();
    ::kill(static_cast<pid_t>(apps->front().pid), SIGKILL);
    auto line = Bed::welcome(door);
    if (!line) return std::unexpected(line.error());
    const auto sent = monotonic_ns();
    const auto ns = ring(*line);
    if (!ns) return std::unexpected(ns.error());
    samples.add(sent - start + *ns);
    lines.push_back(std::move(*line));
    if (const auto asleep = bed.await_suspended(app); !asleep)
      return std::unexpected(asleep.error());
  }
  return samples;
}

void add_mode(Report& report, const std::string& name, const Samples& samples,
              const Samples& floor) {
  for (const double percent : {50.0, 99.0}) {
    const double value = samples.percentile_us(percent);
    report.figures.push_back({fmt::format("{}: p{:.0f}", name, percent), value, "µs",
                              value / floor.percentile_us(percent),
                              fmt::format("never suspended: p{:.0f}", percent)});
  }
}

void add_modes(Report& report, const std::string& load, const Modes& modes) {
  for (const double percent : {50.0, 99.0}) {
    report.figures.push_back({fmt::format("{}, never suspended: p{:.0f}", load, percent),
                              modes.never.percentile_us(percent), "µs", std::nullopt, ""});
  }
  add_mode(report, load + ", suspended (cgroup)", modes.cgroup, modes.never);
  add_mode(report, load + ", suspended (SIGSTOP)", modes.sigstop, modes.never);
}

}  // namespace

Outcome<Report> run_wake(bool quick) {
  const int rounds = quick ? 3 : 8;
  const int rings = quick ? 60 : 300;
  // The shortest quiet that the host takes for an answer, so that a cycle is short; the wake itself
  // is the same.
  const std::vector<std::string> profile = {"linger=0ms", "sample_interval=5ms",
                                            "limit_action=none", "relaunch_quick=0s"};
  base::Random random(1);
  auto door = Door::open();
  if (!door) return std::unexpected(door.error());
  auto program = cli::Program::start({beside("bench-app"), std::to_string(door->port())},
                                     "/dev/null", {"WAKELINE_HOST="});
  if (!program) return std::unexpected(program.error());
  const auto never = Bed::welcome(*door);
  if (!never) return std::unexpected(never.error());
  auto cgroup = Bed::make({"cgroup", "cgroup", 1, profile}, *door);
  if (!cgroup) return std::unexpected(cgroup.error());
  auto sigstop = Bed::make({"sigstop", "sigstop", 1, profile}, *door);
  if (!sigstop) return std::unexpected(sigstop.error());

  Report report{"wake: byte sent on loopback TCP → the app's recv returned",
                quick ? "wakeline bench wake --quick" : "wakeline bench wake",
                machine_line(),
                {},
                {}};
  // Idle, a halted processor must be woken at each step, for the floor as well; loaded, none is.
  const int processors = static_cast<int>(std::thread::hardware_concurrency());
  std::vector<std::pair<std::string, int>> loads = {{"idle", 0}, {"one core loaded", 1}};
  if (processors > 1) loads.emplace_back("every core loaded", processors);
  std::vector<Modes> sums(loads.size());
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t k = 0; k < loads.size(); ++k) {
      std::vector<std::unique_ptr<Load>> spin;
      for (int i = 0; i < loads[k].second; ++i) spin.push_back(std::make_unique<Load>());
      const auto modes = play(*never, **cgroup, **sigstop, rings, random);
      if (!modes) return std::unexpected(modes.error());
      sums[k].append(*modes);
    }
  }
  for (std::size_t k = 0; k < loads.size(); ++k) add_modes(report, loads[k].first, sums[k]);
  const auto threads = play_threads(*never, profile, *door, rounds * rings, random);
  if (!threads) return std::unexpected(threads.error());
  for (std::size_t k = 0; k < std::size(kThreads); ++k) {
    add_mode(report, fmt::format("idle, suspended (cgroup), {} idle threads", kThreads[k]),
             threads->suspended[k], threads->never);
  }
  const auto launched = relaunch(**cgroup, *door, quick ? 3 : 10);
  if (!launched) return std::unexpected(launched.error());
  add_mode(report, "idle, not running (killed → relaunched)", *launched, sums[0].never);
  report.notes.push_back(
      fmt::format("{} rounds of {} rings in each mode, the modes in turn; the host rests {} ms "
                  "after the app's last byte "
                  "before it suspends it again.",
                  rounds, rings, 5));
  return report;
}

}  // namespace wakeline::bench
