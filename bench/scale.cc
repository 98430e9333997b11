// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

#include "bed.h"
#include "bench.h"
#include "usage.h"

// Very many apps with very many connections.
namespace wakeline::bench {
namespace {

constexpr int kBurstTimeoutMs = 60'000;

/// Sends a byte on one line of every app at once. Returns: the times to each app's recv.
Outcome<Samples> burst(const std::vector<const Line*>& lines) {
  const char byte = 1;
  const std::int64_t start = monotonic_ns();
  for (const Line* line : lines) {
    if (::send(line->socket.get(), &byte, 1, MSG_NOSIGNAL) != 1)
      return std::unexpected(line->app + ": its connection is gone");
  }
  Samples samples;
  for (const Line* line : lines) {
    pollfd wanted{line->socket.get(), POLLIN, 0};
    std::int64_t received = 0;
    if (::poll(&wanted, 1, kBurstTimeoutMs) != 1 ||
        ::recv(line->socket.get(), &received, sizeof received, MSG_WAITALL) != sizeof received)
      return std::unexpected(line->app + ": no answer in a minute");
    samples.add(received - start);
  }
  return samples;
}

}  // namespace

cli::Outcome<Report> run_scale(bool quick) {
  const int apps = quick ? 100 : 1'000;
  constexpr int kLines = 10;
  const int seconds = quick ? 5 : 30;
  auto door = Door::open();
  if (!door) return std::unexpected(door.error());
  auto none = Bed::make({"scale0", "cgroup", 0, {}}, *door);
  if (!none) return std::unexpected(none.error());
  const Usage empty = usage((*none)->host_pid());
  none->reset();
  auto bed = Bed::make({"scale", "cgroup", apps, {"relaunch_quick=0s"}, kLines}, *door);
  if (!bed) return std::unexpected(bed.error());

  // What the host still writes down of the last suspension belongs to the suspension.
  ::poll(nullptr, 0, 2'000);
  const Usage armed = usage((*bed)->host_pid());
  ::poll(nullptr, 0, seconds * 1000);
  const Usage idle = usage((*bed)->host_pid());

  // One line of each app; those of one app came one after the other, not side by side.
  std::vector<const Line*> first;
  std::vector<std::string> seen;
  for (const Line& line : (*bed)->lines()) {
    if (std::ranges::binary_search(seen, line.app)) continue;
    seen.insert(std::ranges::upper_bound(seen, line.app), line.app);
    first.push_back(&line);
  }
  Samples single;
  for (const Line* line : first) {
    if (single.size() == 100) break;
    const auto ns = ring(*line);
    if (!ns) return std::unexpected(line->app + ": " + ns.error());
    single.add(*ns);
  }
  const auto singles = static_cast<int>(single.size());
  if (const auto asleep = (*bed)->await_all_suspended(singles); !asleep)
    return std::unexpected(asleep.error());
  const Usage before = usage((*bed)->host_pid());
  const auto all = burst(first);
  if (!all) return std::unexpected(all.error());
  if (const auto asleep = (*bed)->await_all_suspended(singles + apps); !asleep)
    return std::unexpected(asleep.error());
  const Usage after = usage((*bed)->host_pid());

  Report report{fmt::format("scale: {} suspended apps with {} tagged sockets each", apps, kLines),
                quick ? "wakeline bench scale --quick" : "wakeline bench scale",
                machine_line(),
                {},
                {}};
  report.figures = {
      {"wake of one of them: p50", single.percentile_us(50), "µs", std::nullopt, ""},
      {"wake of one of them: p99", single.percentile_us(99), "µs", std::nullopt, ""},
      {"all at once: half of them run after", all->percentile_us(50) / 1'000, "ms", std::nullopt,
       ""},
      {"all at once: the last one runs after", all->percentile_us(100) / 1'000, "ms", std::nullopt,
       ""},
      {"host's CPU time to wake an app, suspend it and watch its sockets",
       (after.cpu_ms - before.cpu_ms) * 1'000 / apps, "µs", std::nullopt, ""},
      {fmt::format("wakeups of the host in {} s", seconds), idle.wakeups - armed.wakeups, "",
       std::nullopt, ""},
      {"memory of the host for each app", (idle.anonymous_kib - empty.anonymous_kib) / apps, "KiB",
       std::nullopt, ""},
  };
  return report;
}

}  // namespace wakeline::bench
