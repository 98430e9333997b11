// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace wakeline::session {

/// How many connections may be under way to a session at a time, and when those beyond come back.
/// It measures what the server gets through in the time in which it does not sleep: how many come
/// says nothing, nor does a slow peer. A refused one gets a slot of a virtual queue that is drained
/// at half of that, so that the other half is for those who come unasked (link.md §2). A value, as
/// the machines are.
class Admission {
 public:
  /// The rate before anything was measured, its bounds, in connections a second.
  static constexpr std::uint32_t kRateFirst = 2'000;
  static constexpr std::uint32_t kRateMin = 50;
  static constexpr std::uint32_t kRateMax = 200'000;
  /// As many may always be under way: a few slow peers are no overload.
  static constexpr std::size_t kGuestsMin = 512;
  static constexpr base::Duration kSlotMax = std::chrono::minutes(10);

  /// A connection comes while `guests` have not got through. Returns: nothing when it may go on,
  /// else after what time it may try again.
  std::optional<base::Duration> on_arrival(base::Instant now, std::size_t guests);
  /// The server had nothing to do for so long.
  void on_slept(base::Duration time) { slept_ += time; }
  /// One got through; `guests` are left.
  void on_finished(base::Instant now, std::size_t guests);

  std::uint32_t rate() const { return rate_; }
  /// W: over what time `devices` spread their return.
  base::Duration spread(std::size_t devices) const;

  friend bool operator==(const Admission&, const Admission&) = default;

 private:
  static constexpr base::Duration kMeasure = std::chrono::milliseconds(100);

  std::uint32_t rate_ = kRateFirst;
  std::uint32_t finished_ = 0;  ///< since `measured_from_`, without a pause
  base::Instant measured_from_{};
  base::Duration slept_{};     ///< since then
  base::Instant last_slot_{};  ///< of the virtual queue
};

}  // namespace wakeline::session
