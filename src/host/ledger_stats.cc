// SPDX-License-Identifier: Apache-2.0
#include "host/ledger_stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

namespace wakeline::host {

std::string day_of(std::int64_t wall_ns) {
  const std::time_t seconds = wall_ns / 1'000'000'000;
  std::tm local{};
  ::localtime_r(&seconds, &local);
  return fmt::format("{:04}-{:02}-{:02}", local.tm_year + 1900, local.tm_mon + 1, local.tm_mday);
}

void DayCounter::add(const wire::host::LedgerLine& line) {
  if (line.app.empty()) return;  // the host's own
  const std::string day_name = day_of(line.wall_ns);
  AppDay& day = days_[{day_name, line.app}];
  day.app = line.app;
  day.day = day_name;
  day.awake_us += line.awake_us;
  day.cpu_us += line.used_us;
  if (line.event == "launch") {
    ++day.launches;
  } else if (line.event == "suspend") {
    ++day.suspends;
  } else if (line.event == "wake") {
    ++day.wakes;
    ++day.wakes_by_cause[line.reason];
    day.latency_max_ns = std::max(day.latency_max_ns, line.latency_ns);
  } else if (line.event == "wake_delayed") {
    ++day.delayed;
  } else if (line.event == "refuse") {
    ++day.refusals;
  } else if (line.event == "kill") {
    ++day.kills;
  } else if (line.event == "exit" && line.reason != "ok") {
    ++day.bad_exits;
  }
}

std::vector<AppDay> DayCounter::days() const {
  std::vector<AppDay> list;
  list.reserve(days_.size());
  for (const auto& [key, day] : days_) list.push_back(day);
  return list;
}

}  // namespace wakeline::host
