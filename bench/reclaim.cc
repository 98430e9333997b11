// SPDX-License-Identifier: Apache-2.0
#include "linux/reclaim.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <csignal>
#include <tuple>
#include <vector>

#include "bed.h"
#include "bench.h"
#include "linux/proc.h"
#include "linux/process.h"

namespace wakeline::bench {
namespace {

constexpr int kMib = 64;       // that the app holds, half of it random
constexpr int kTouchKib = 64;  // that it works on at each wake

/// A bench app that runs without a host and is stopped by signals.
class Holder {
 public:
  ~Holder() {
    if (process_.pid <= 0) return;
    std::ignore = sys::send_signal(process_.pidfd.get(), SIGKILL);
    ::waitpid(process_.pid, nullptr, 0);
  }
  Outcome<void> start(const Door& door) {
    sys::SpawnOptions options;
    options.command = {beside("bench-app"), std::to_string(door.port())};
    options.environment = {fmt::format("BENCH_HOLD_MIB={}", kMib),
                           fmt::format("BENCH_TOUCH_KIB={}", kTouchKib)};
    auto process = sys::spawn(options);
    if (!process) return std::unexpected(base::to_string(process.error()));
    process_ = std::move(*process);
    auto line = Bed::welcome(door);
    if (!line) return std::unexpected(line.error());
    line_ = std::move(*line);
    return {};
  }
  pid_t pid() const { return process_.pid; }
  Outcome<void> stop() {
    if (const auto sent = sys::send_signal(process_.pidfd.get(), SIGSTOP); !sent) {
      return std::unexpected(base::to_string(sent.error()));
    }
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(process_.pid), &info, WSTOPPED);
    return {};
  }
  /// Lets it run and rings it. Returns: nanoseconds until its work was done.
  Outcome<std::int64_t> wake() {
    if (const auto sent = sys::send_signal(process_.pidfd.get(), SIGCONT); !sent) {
      return std::unexpected(base::to_string(sent.error()));
    }
    return ring(line_);
  }

 private:
  sys::Process process_;
  Line line_;
};

Outcome<std::int64_t> reclaim(pid_t pid) {
  auto job = sys::ReclaimJob::begin({pid});
  if (!job) return std::unexpected("memory: " + base::to_string(job.error()));
  const std::int64_t start = monotonic_ns();
  for (bool more = true; more;) {
    const auto step = job->step();
    if (!step) return std::unexpected("memory: " + base::to_string(step.error()));
    more = *step;
  }
  return monotonic_ns() - start;
}

}  // namespace

Outcome<Report> run_reclaim(bool quick) {
  const auto swap = sys::free_swap_percent();
  if (!swap) {
    return std::unexpected(
        "this machine has no swap, so no memory can be given back: nothing was measured");
  }
  auto door = Door::open();
  if (!door) return std::unexpected(door.error());
  Holder app;
  if (const auto started = app.start(*door); !started) return std::unexpected(started.error());

  Samples plain, reclaimed, times;
  double before_kib = 0;
  double after_kib = 0;
  const int rounds = quick ? 10 : 50;
  for (int i = 0; i < rounds; ++i) {
    for (const bool give_back : {false, true}) {
      if (const auto stopped = app.stop(); !stopped) return std::unexpected(stopped.error());
      if (give_back) {
        const auto before = sys::memory_use(app.pid());
        const auto took = reclaim(app.pid());
        if (!took) return std::unexpected(took.error());
        const auto after = sys::memory_use(app.pid());
        times.add(*took);
        // The first round counts: later ones find in the swap what was not touched since.
        if (i == 0 && before && after) {
          before_kib = static_cast<double>(before->resident) / 1024;
          after_kib = static_cast<double>(after->resident) / 1024;
        }
      }
      const auto ns = app.wake();
      if (!ns) return std::unexpected(ns.error());
      (give_back ? reclaimed : plain).add(*ns);
    }
  }
  Report report{
      fmt::format("reclaim: an app of {} MiB that works on {} KiB at each wake, {} rounds", kMib,
                  kTouchKib, rounds),
      quick ? "wakeline bench reclaim --quick" : "wakeline bench reclaim",
      machine_line(),
      {},
      {}};
  const double floor = plain.percentile_us(50);
  report.figures = {
      {"resident memory before", before_kib, "KiB", std::nullopt, ""},
      {"resident memory after", after_kib, "KiB", after_kib / before_kib, "before"},
      {"giving it back, longest", times.percentile_us(100), "µs", std::nullopt, ""},
      {"giving it back again: p50", times.percentile_us(50), "µs", std::nullopt, ""},
      {"wake to work done, memory kept: p50", floor, "µs", std::nullopt, ""},
      {"wake to work done, memory kept: p99", plain.percentile_us(99), "µs", std::nullopt, ""},
      {"wake to work done, given back: p50", reclaimed.percentile_us(50), "µs",
       reclaimed.percentile_us(50) / floor, "kept"},
      {"wake to work done, given back: p99", reclaimed.percentile_us(99), "µs",
       reclaimed.percentile_us(99) / plain.percentile_us(99), "kept"},
  };
  report.notes.push_back(fmt::format(
      "{} % of the swap was free. The app is stopped by SIGSTOP; the clock starts after SIGCONT.",
      *swap));
  return report;
}

}  // namespace wakeline::bench
