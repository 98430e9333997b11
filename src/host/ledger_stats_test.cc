// SPDX-License-Identifier: Apache-2.0
#include "host/ledger_stats.h"

#include <gtest/gtest.h>

namespace wakeline::host {
namespace {

using wire::host::LedgerLine;

constexpr std::int64_t kDay = 86'400'000'000'000;
constexpr std::int64_t kNoon = 1'790'035'200'000'000'000;

LedgerLine line(std::string app, std::string event, std::string reason, std::int64_t wall = kNoon) {
  LedgerLine line;
  line.app = std::move(app);
  line.event = std::move(event);
  line.reason = std::move(reason);
  line.wall_ns = wall;
  return line;
}

AppDay day(std::string app, std::int64_t wall) {
  AppDay day;
  day.app = std::move(app);
  day.day = day_of(wall);
  return day;
}

TEST(LedgerStats, CountsByAppAndDay) {
  DayCounter counter;
  counter.add(line("", "host", "started"));
  counter.add(line("a", "launch", "boot"));
  LedgerLine suspend = line("a", "suspend", "quiet");
  suspend.awake_us = 1'500;
  suspend.used_us = 20;
  counter.add(suspend);
  for (const auto& [cause, latency] :
       {std::pair{"socket_data", 70'000}, std::pair{"socket_data", 90'000},
        std::pair{"keep_alive", 80'000}}) {
    LedgerLine wake = line("a", "wake", cause);
    wake.latency_ns = latency;
    counter.add(wake);
  }
  counter.add(line("a", "wake_delayed", "socket_data"));
  counter.add(line("a", "refuse", "not_tcp"));
  counter.add(line("a", "kill", "tasks_expired"));
  LedgerLine exit = line("a", "exit", "signal");
  exit.awake_us = 500;
  exit.used_us = 5;
  counter.add(exit);
  counter.add(line("b", "exit", "ok"));
  counter.add(line("a", "launch", "crash", kNoon + kDay));

  AppDay a = day("a", kNoon);
  a.launches = a.suspends = a.delayed = a.refusals = a.kills = a.bad_exits = 1;
  a.wakes = 3;
  a.wakes_by_cause = {{"keep_alive", 1}, {"socket_data", 2}};
  a.awake_us = 2'000;
  a.cpu_us = 25;
  a.latency_max_ns = 90'000;
  AppDay next = day("a", kNoon + kDay);
  next.launches = 1;
  const AppDay b = day("b", kNoon);
  EXPECT_EQ(counter.days(), (std::vector<AppDay>{a, b, next}));
}

}  // namespace
}  // namespace wakeline::host
