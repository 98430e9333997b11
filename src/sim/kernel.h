// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/time.h"

/// The simulator's ground: a virtual clock, generators made of one seed, and the events of one
/// world in their order. Nothing else decides what happens, so that a seed replays a run.
namespace wakeline::sim {

using base::Duration;
using base::Instant;

/// Lines of a trace that are kept, the newest.
inline constexpr std::size_t kTraceMax = 50'000;

class Kernel {
 public:
  using Task = std::function<void()>;

  Kernel(std::uint64_t seed, bool tracing) : seed_(seed), tracing_(tracing) {}
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  Instant now() const { return now_; }
  /// The generator of one entity, "machine" 3 for instance: what another entity draws, or whether
  /// it is there at all, changes nothing here. So a plan can lose a fault and the rest stays as it
  /// was.
  base::Random random_of(std::string_view kind, std::uint64_t index) const;

  /// Runs `task` at that time, or now where it has passed. Events of one time run in the order in
  /// which they were made.
  void at(Instant when, Task task);
  void after(Duration delay, Task task) { at(now_ + delay, std::move(task)); }

  /// Runs what is due until `end`, and lets the clock stand there.
  /// Returns: false when `events_max` events have run before it.
  bool run_until(Instant end, std::uint64_t events_max);
  std::uint64_t events() const { return events_; }

  /// Takes a number into the digest: what a machine did, or was told.
  void mix(std::uint64_t value);
  std::uint64_t digest() const { return digest_; }

  bool tracing() const { return tracing_; }
  /// One line "time part: text". Call it only where `tracing()`, so that text costs nothing else.
  void trace(std::string_view part, std::string_view text);
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  /// Small, because a heap moves it often; the task lies in `tasks_[slot]`.
  struct Event {
    std::int64_t at;  ///< ns
    std::uint64_t order;
    std::size_t slot;
  };
  static bool later(const Event& a, const Event& b) {
    return a.at != b.at ? a.at > b.at : a.order > b.order;
  }

  Instant now_{};
  std::uint64_t seed_;
  std::vector<Event> heap_;
  std::vector<Task> tasks_;
  std::vector<std::size_t> free_;  ///< slots of `tasks_`
  std::uint64_t next_order_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t digest_ = 0xCBF2'9CE4'8422'2325ULL;
  bool tracing_;
  std::vector<std::string> lines_;
};

/// The generator that a seed gives to one entity. Source: FNV-1a of the name, then SplitMix64.
base::Random random_of(std::uint64_t seed, std::string_view kind, std::uint64_t index);

/// "  123.456789": seconds and microseconds, made of whole numbers.
std::string time_text(Duration since_start);

}  // namespace wakeline::sim
