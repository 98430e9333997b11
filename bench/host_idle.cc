// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include "bed.h"
#include "bench.h"
#include "usage.h"

namespace wakeline::bench {
namespace {

/// What the host says of an app that does not answer.
std::string state_of(Bed& bed, const std::string& app) {
  const auto apps = bed.control().list();
  if (!apps) return "; the host does not list its apps: " + apps.error().message;
  for (const wire::host::AppInfo& info : *apps) {
    if (info.app == app)
      return fmt::format("; it is {}, with {} tags and {} wakes", wire::host::name(info.state),
                         info.tags, info.wakes);
  }
  return "; the host does not know it";
}

}  // namespace

cli::Outcome<Report> run_host_idle(bool quick) {
  const int apps = quick ? 100 : 1000;
  const int seconds = quick ? 10 : 60;
  auto door = Door::open();
  if (!door) return std::unexpected(door.error());
  auto none = Bed::make({"idle0", "cgroup", 0, {}}, *door);
  if (!none) return std::unexpected(none.error());
  const Usage empty = usage((*none)->host_pid());
  none->reset();
  auto bed = Bed::make({"idle", "cgroup", apps, {"relaunch_quick=0s"}}, *door);
  if (!bed) return std::unexpected(bed.error());

  // What the host still writes down of the last suspension belongs to the suspension.
  ::poll(nullptr, 0, 2'000);
  const Usage before = usage((*bed)->host_pid());
  ::poll(nullptr, 0, seconds * 1000);
  const Usage after = usage((*bed)->host_pid());

  Report report{
      fmt::format("host-idle: {} suspended apps with a tagged socket each, no traffic, {} s", apps,
                  seconds),
      quick ? "wakeline bench host-idle --quick" : "wakeline bench host-idle",
      machine_line(),
      {},
      {}};
  report.figures = {
      {"wakeups of the host", after.wakeups - before.wakeups, "", std::nullopt, ""},
      {"wakeups of the host in 10 s", (after.wakeups - before.wakeups) * 10 / seconds, "",
       std::nullopt, ""},
      {"CPU time of the host", after.cpu_ms - before.cpu_ms, "ms", std::nullopt, ""},
      {"resident memory of the host without apps", empty.rss_kib, "KiB", std::nullopt, ""},
      {"resident memory of the host", after.rss_kib, "KiB", after.rss_kib / empty.rss_kib,
       "without apps"},
      {"memory of the host for each app", (after.anonymous_kib - empty.anonymous_kib) / apps, "KiB",
       std::nullopt, ""},
  };
  Samples samples;
  for (const Line& line : (*bed)->lines()) {
    if (samples.size() == 100) break;
    const auto ns = ring(line);
    if (!ns) return std::unexpected(line.app + ": " + ns.error() + state_of(**bed, line.app));
    samples.add(*ns);
  }
  report.figures.push_back(
      {"wake of one of them: p50", samples.percentile_us(50), "µs", std::nullopt, ""});
  report.figures.push_back(
      {"wake of one of them: p99", samples.percentile_us(99), "µs", std::nullopt, ""});
  report.notes.push_back("Wakeups are the voluntary context switches of every thread of the host.");
  return report;
}

}  // namespace wakeline::bench
