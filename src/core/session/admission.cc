// SPDX-License-Identifier: Apache-2.0
#include "core/session/admission.h"

#include <algorithm>

namespace wakeline::session {

std::optional<base::Duration> Admission::on_arrival(base::Instant now, std::size_t guests) {
  // A second's work is about what a peer waits before it thinks that we are dead.
  if (guests < std::max<std::size_t>(kGuestsMin, rate_)) return std::nullopt;
  const base::Duration step = base::Duration(std::chrono::seconds(1)) / std::max(rate_ / 2, 1U);
  // Not before those are through that are under way.
  const base::Duration under_way =
      base::Duration(std::chrono::seconds(1)) * static_cast<std::int64_t>(guests) / rate_;
  last_slot_ = std::max(last_slot_, now + under_way) + step;
  if (last_slot_ - now > kSlotMax) last_slot_ = now + kSlotMax;
  return last_slot_ - now;
}

void Admission::on_finished(base::Instant now, std::size_t guests) {
  if (finished_ == 0) {
    measured_from_ = now;
    slept_ = {};
  }
  ++finished_;
  const base::Duration span = now - measured_from_;
  if (span >= kMeasure) {
    const base::Duration busy =
        std::max(span - slept_, base::Duration(std::chrono::microseconds(1)));
    const auto measured = static_cast<std::uint64_t>(finished_ - 1) * 1'000'000'000ULL /
                          static_cast<std::uint64_t>(busy.count());
    // A few tell little; and not faster than twice as before at once, as one sample may be lucky.
    if (guests > 0 && finished_ > 16) {
      const std::uint64_t mixed = (3ULL * rate_ + measured) / 4;
      rate_ = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(
          mixed, kRateMin, std::min<std::uint64_t>(2ULL * rate_, kRateMax)));
    }
    finished_ = 0;
  }
  if (guests == 0) finished_ = 0;
}

base::Duration Admission::spread(std::size_t devices) const {
  return base::Duration(std::chrono::seconds(1)) * static_cast<std::int64_t>(devices) / rate_;
}

}  // namespace wakeline::session
