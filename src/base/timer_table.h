// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

#include "base/time.h"

namespace wakeline::base {

/// The deadlines of one machine, one slot for each value of the enum `Timer` (whose last value is
/// kCount). Setting a timer again moves it. Ties fire in the order of the enum.
template <class Timer>
class TimerTable {
 public:
  void set(Timer timer, Instant at) { slots_[index(timer)] = at; }
  void clear(Timer timer) { slots_[index(timer)] = kNever; }
  void clear_all() { slots_.fill(kNever); }
  Instant at(Timer timer) const { return slots_[index(timer)]; }
  bool is_set(Timer timer) const { return at(timer) != kNever; }

  /// The earliest deadline, kNever when none is set.
  Instant next() const { return *std::min_element(slots_.begin(), slots_.end()); }

  /// Takes out one timer that is due at `now`, the earliest first.
  std::optional<Timer> pop(Instant now) {
    const auto it = std::min_element(slots_.begin(), slots_.end());
    if (*it == kNever || *it > now) return std::nullopt;
    *it = kNever;
    return static_cast<Timer>(it - slots_.begin());
  }

  friend bool operator==(const TimerTable&, const TimerTable&) = default;

 private:
  static constexpr std::size_t kSize = static_cast<std::size_t>(Timer::kCount);
  static constexpr std::size_t index(Timer timer) { return static_cast<std::size_t>(timer); }
  static constexpr std::array<Instant, kSize> all_never() {
    std::array<Instant, kSize> slots{};
    slots.fill(kNever);
    return slots;
  }

  std::array<Instant, kSize> slots_ = all_never();
};

}  // namespace wakeline::base
