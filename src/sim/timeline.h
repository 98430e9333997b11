// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"

namespace wakeline::sim {

using base::Duration;
using base::Instant;

/// One stretch of one lane of a report.
struct Span {
  Instant from;
  Instant to;
  std::uint8_t what = 0;
};

/// A lane: something that is in one state at a time. 0 is the state that is not drawn.
class Lane {
 public:
  void enter(Instant now, std::uint8_t what) {
    if (what == what_) return;
    close(now);
    what_ = what;
    since_ = now;
  }
  void close(Instant now) {
    if (what_ != 0 && now > since_) spans_.push_back({since_, now, what_});
    since_ = now;
  }
  const std::vector<Span>& spans() const { return spans_; }
  Duration total(std::uint8_t what) const {
    Duration sum{};
    for (const Span& span : spans_)
      if (span.what == what) sum += span.to - span.from;
    return sum;
  }

 private:
  std::uint8_t what_ = 0;
  Instant since_{};
  std::vector<Span> spans_;
};

/// States of an app's lane and of a device's lanes.
enum class AppLane : std::uint8_t { kStopped, kSuspended, kAwake, kForeground };
enum class LineLane : std::uint8_t { kLive, kDark };
enum class SystemLane : std::uint8_t { kRunning, kAsleep, kOff };

/// What a report shows of one app.
struct AppStory {
  std::string name;
  Lane life;
  Lane line;  ///< dark: the server cannot reach it, whatever either believes
  std::map<std::string, std::uint64_t> wakes;  ///< by cause
};

/// What a report shows of one device.
struct DeviceStory {
  std::string name;
  std::vector<AppStory> apps;
  Lane system;
  std::vector<Span> radio;  ///< up
  Duration radio_active{};
  std::uint64_t radio_promotions = 0;
  std::int64_t energy_uj = 0;
};

}  // namespace wakeline::sim
