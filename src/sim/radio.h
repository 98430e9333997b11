// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/time.h"

namespace wakeline::sim {

using base::Duration;
using base::Instant;

/// What a packet costs a device's radio: it has to be promoted, and stays up for a tail after it.
/// Source: Huang et al., "A Close Examination of Performance and Power Characteristics of 4G LTE
/// Networks", MobiSys 2012, table 3 (promotion and tail of LTE and Wi-Fi).
struct RadioModel {
  std::string_view name;
  Duration promotion{};
  Duration tail{};
  std::int64_t promotion_mw = 0;
  std::int64_t tail_mw = 0;
};
inline constexpr RadioModel kLte{.name = "lte",
                                 .promotion = std::chrono::milliseconds(260),
                                 .tail = std::chrono::milliseconds(11'576),
                                 .promotion_mw = 1'211,
                                 .tail_mw = 1'060};
inline constexpr RadioModel kWifi{.name = "wifi",
                                  .promotion = std::chrono::milliseconds(79),
                                  .tail = std::chrono::milliseconds(238),
                                  .promotion_mw = 124,
                                  .tail_mw = 119};
/// A cable: costs nothing.
inline constexpr RadioModel kWired{.name = "wired"};

/// One device's radio: how often and how long it was up, and for what energy over being idle.
class Radio {
 public:
  /// A packet goes out or comes in. Returns: how long it waits for the radio. A radio of a device
  /// that moves to another network keeps its counts.
  Duration on_packet(const RadioModel& model, Instant now) {
    if (model.tail == Duration::zero()) return Duration::zero();
    Duration wait{};
    if (now >= up_until_) {
      wait = model.promotion;
      ++promotions_;
      since_ = now;
      energy_uj_ += cost(model.promotion_mw, model.promotion);
      active_ += model.promotion;
      up_until_ = now + model.promotion;
    }
    const Instant end = std::max(up_until_, now + wait + model.tail);
    energy_uj_ += cost(model.tail_mw, end - up_until_);
    active_ += end - up_until_;
    up_until_ = end;
    return wait;
  }

  bool up(Instant now) const { return now < up_until_; }
  Instant since() const { return since_; }
  Instant up_until() const { return up_until_; }
  std::uint64_t promotions() const { return promotions_; }
  Duration active() const { return active_; }
  /// Microjoule.
  std::int64_t energy_uj() const { return energy_uj_; }

  friend bool operator==(const Radio&, const Radio&) = default;

 private:
  static std::int64_t cost(std::int64_t milliwatt, Duration span) {
    return milliwatt * (span / std::chrono::microseconds(1)) / 1'000;
  }

  Instant since_{};
  Instant up_until_{};
  std::uint64_t promotions_ = 0;
  Duration active_{};
  std::int64_t energy_uj_ = 0;
};

}  // namespace wakeline::sim
