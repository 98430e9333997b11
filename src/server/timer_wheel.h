// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "base/time.h"

namespace wakeline::server {

/// The deadlines of very many sessions, each known by a small number: 16 B for each, and constant
/// time to move one. Four wheels of 64 buckets; a deadline fires up to one tick late, never early,
/// and one beyond the widest wheel is looked at again when its bucket comes.
class TimerWheel {
 public:
  /// 67 ms: a keep-alive is at least a second.
  static constexpr base::Duration kTick{1 << 26};

  explicit TimerWheel(base::Instant now);

  /// kNever takes it out.
  void set(std::uint32_t id, base::Instant at);
  /// When it will fire, a tick more or less; kNever: it is not set.
  base::Instant at(std::uint32_t id) const;
  /// When to call `advance` next.
  base::Instant next() const;
  /// Takes out what is due and adds it to `due`.
  void advance(base::Instant now, std::vector<std::uint32_t>& due);

 private:
  static constexpr unsigned kBits = 6;
  static constexpr unsigned kBuckets = 1U << kBits;
  static constexpr unsigned kLevels = 4;
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  using Tick = std::uint64_t;

  struct Node {
    std::uint32_t next = kNone;
    std::uint32_t previous = kNone;
    std::uint32_t tick = 0;  ///< since `start_`; enough for nine years
    std::uint32_t bucket = kNone;
  };

  void place(std::uint32_t id);
  void take_out(std::uint32_t id);
  /// Empties a bucket. Returns: what was in it.
  std::uint32_t empty(std::uint32_t bucket);
  Tick next_tick() const;

  base::Instant start_;
  Tick current_ = 0;
  std::deque<Node> nodes_;  ///< by id; in pieces, so that growing copies nothing
  std::array<std::uint32_t, kLevels * kBuckets> heads_{};
  std::array<std::uint64_t, kLevels> filled_{};  ///< a bit for each bucket
};

}  // namespace wakeline::server
