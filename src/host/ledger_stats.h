// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "wire/host_message.h"

namespace wakeline::host {

/// What the ledger says of one app on one day.
struct AppDay {
  std::string app;
  std::string day;  ///< "2026-11-21", local time
  std::uint64_t launches = 0;
  std::uint64_t suspends = 0;
  std::uint64_t wakes = 0;
  std::map<std::string, std::uint64_t> wakes_by_cause;
  std::uint64_t delayed = 0;  ///< wakes that the limiter held back (C13)
  std::uint64_t refusals = 0;
  std::uint64_t kills = 0;
  std::uint64_t bad_exits = 0;      ///< by signal, with a code, or unknown
  std::uint64_t awake_us = 0;       ///< of stretches that ended on this day
  std::uint64_t cpu_us = 0;         ///< used in them
  std::int64_t latency_max_ns = 0;  ///< the slowest wake
  friend bool operator==(const AppDay&, const AppDay&) = default;
};

/// Counts lines, fed in their order, by app and day.
class DayCounter {
 public:
  void add(const wire::host::LedgerLine& line);
  /// By day, then by app.
  std::vector<AppDay> days() const;

 private:
  std::map<std::pair<std::string, std::string>, AppDay> days_;
};

/// The local day of an instant since 1970.
std::string day_of(std::int64_t wall_ns);

}  // namespace wakeline::host
