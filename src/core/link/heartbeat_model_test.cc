// SPDX-License-Identifier: Apache-2.0
// The heartbeat on a modelled NAT with an idle timeout, day by day: the table of link.md §1.
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "base/random.h"
#include "core/link/heartbeat.h"

namespace wakeline::link {
namespace {

using base::Duration;
using base::Instant;
using std::chrono::duration_cast;
using std::chrono::hours;
using std::chrono::seconds;

struct Day {
  int wakes = 0;
  Duration dark{};  ///< the NAT has forgotten the line, and the device does not know
  int reconnects = 0;
  int wrong_reconnects = 0;  ///< of a line that lived
};

struct Nat {
  /// Its timeout at that time since the start.
  std::function<Duration(Duration)> timeout;
  int loss_percent = 0;  ///< each way, of each try
};

/// An idle device that does nothing but keep its line. It speaks at its heartbeat; a wake for the
/// probe flow is one more, and the line speaks in it too when its window is open.
class Device {
 public:
  Device(Nat nat, std::uint64_t seed, bool punctual = false) : nat_(std::move(nat)), random_(seed) {
    policy_.punctual = punctual;
  }

  std::vector<Day> live(int days) {
    std::vector<Day> log(static_cast<std::size_t>(days));
    for (;;) {
      const auto plan = policy_.decide(gaps_, now_);
      const Instant beat = spoke_at_ + plan.heartbeat;
      now_ = std::min(beat, probe_at_);
      const auto day = static_cast<std::size_t>((now_ - kStart) / hours(24));
      if (day >= log.size()) return log;
      ++log[day].wakes;
      if (now_ >= spoke_at_ + plan.earliest()) speak(log[day]);
      probe();
    }
  }

  Gaps gaps() const { return gaps_; }

 private:
  static constexpr Instant kStart{hours(1)};

  Duration timeout() { return nat_.timeout(now_ - kStart); }
  /// Three tries; each has a way there and a way back.
  bool answered() {
    const auto there = static_cast<std::uint64_t>(100 - nat_.loss_percent);
    for (int i = 0; i < 3; ++i)
      if (random_.chance(there, 100) && random_.chance(there, 100)) return true;
    return false;
  }
  void speak(Day& day) {
    const Duration gap = now_ - spoke_at_;
    const bool held = gap <= timeout();
    const bool alive = held && answered();
    if (!held) day.dark += gap - timeout();
    if (!alive) ++day.reconnects;
    if (!alive && held) ++day.wrong_reconnects;
    gaps_ = policy_.learn(gaps_, {Flow::kMain, alive, gap}, now_);
    spoke_at_ = now_;
  }
  void probe() {
    if (probe_at_ <= now_) {
      const bool alive = now_ - probe_open_at_ <= timeout() && answered();
      gaps_ = policy_.learn(gaps_, {Flow::kProbe, alive, now_ - probe_open_at_}, now_);
      probe_at_ = base::kNever;
    }
    const Duration gap = policy_.decide(gaps_, now_).probe;
    if (probe_at_ != base::kNever || gap == Duration::zero()) return;
    probe_open_at_ = now_;
    probe_at_ = now_ + gap;
  }

  Nat nat_;
  base::Random random_;
  HeartbeatPolicy policy_;
  Gaps gaps_;
  Instant now_ = kStart;
  Instant spoke_at_ = kStart;
  Instant probe_open_at_{};
  Instant probe_at_ = base::kNever;
};

Nat fixed(Duration timeout, int loss_percent = 0) {
  return {[timeout](Duration) { return timeout; }, loss_percent};
}

/// Every timeout of the gate "wakes per day" (link.md §7).
constexpr int kTimeouts[] = {45, 60, 120, 180, 240, 270, 300, 450, 600, 900, 1'200, 1'800, 7'440};

TEST(HeartbeatModel, KeepsTheLineLitFromTheSecondDayOnAtEveryTimeout) {
  for (const int timeout : kTimeouts) {
    const auto days = Device(fixed(seconds(timeout)), 1).live(8);
    for (std::size_t d = 1; d < days.size(); ++d) {
      EXPECT_EQ(days[d].dark, Duration::zero()) << "T=" << timeout << " day " << d + 1;
      EXPECT_EQ(days[d].reconnects, 0) << "T=" << timeout << " day " << d + 1;
    }
    EXPECT_LE(days[0].dark, seconds(285)) << "T=" << timeout;
  }
}

TEST(HeartbeatModel, WakesNoMoreThanAQuarterOverTheOracle) {
  for (const int timeout : kTimeouts) {
    const double oracle = 86'400.0 / std::min(timeout, 1'680);
    const auto days = Device(fixed(seconds(timeout)), 1).live(8);
    for (std::size_t d = 1; d < days.size(); ++d)
      EXPECT_LE(days[d].wakes, 1.25 * oracle) << "T=" << timeout << " day " << d + 1;
  }
}

TEST(HeartbeatModel, WakesOnTheEighthDayNoMoreThanTheTableSays) {
  const std::vector<std::pair<int, int>> table = {{60, 1'558}, {120, 785}, {180, 534}, {240, 397},
                                                  {300, 322},  {450, 221}, {600, 166}, {900, 115},
                                                  {1'800, 56}, {7'440, 51}};
  for (const auto& [timeout, wakes] : table) {
    const auto days = Device(fixed(seconds(timeout)), 1).live(8);
    // The week's second look at the dead gap falls on this day: two trials.
    EXPECT_LE(days[7].wakes, wakes + 2) << "T=" << timeout;
  }
}

TEST(HeartbeatModel, StandsCloseBelowEveryTimeoutWhereItsTimerIsPunctual) {
  for (const int timeout : kTimeouts) {
    const auto days = Device(fixed(seconds(timeout)), 1, true).live(8);
    for (std::size_t d = 1; d < days.size(); ++d) {
      EXPECT_EQ(days[d].dark, Duration::zero()) << "T=" << timeout << " day " << d + 1;
      EXPECT_EQ(days[d].reconnects, 0) << "T=" << timeout << " day " << d + 1;
    }
    const double oracle = 86'400.0 / std::min(timeout, 1'680);
    if (timeout < 240) continue;
    EXPECT_LE(days[6].wakes, 1.03 * oracle + 1) << "T=" << timeout;
  }
}

TEST(HeartbeatModel, IsSeldomWrongWhereTheTimeoutItselfVariesByAFewPerCent) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    base::Random random(seed);
    const Nat nat{[&](Duration) { return random.between(seconds(570), seconds(630)); }};
    const auto days = Device(nat, seed, true).live(15);
    int wrong = 0;
    for (std::size_t d = 1; d < days.size(); ++d) wrong += days[d].reconnects;
    EXPECT_LE(wrong, 14) << "one a day, seed " << seed;
  }
}

TEST(HeartbeatModel, StaysPutWhereOneWayInTwentyIsLost) {
  for (const int timeout : {60, 180, 300, 600, 1'800}) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      const auto clean = Device(fixed(seconds(timeout)), seed).live(15).back();
      const auto days = Device(fixed(seconds(timeout), 5), seed).live(15);
      int wrong = 0;
      Duration dark{};
      for (std::size_t d = 1; d < days.size(); ++d) {
        wrong += days[d].wrong_reconnects;
        dark += days[d].dark;
      }
      EXPECT_LE(wrong, 4 * 14) << "T=" << timeout << " seed " << seed;
      EXPECT_LE(dark, seconds(60) * 14) << "T=" << timeout << " seed " << seed;
      EXPECT_LE(days.back().wakes, clean.wakes * 1.06 + 3) << "T=" << timeout << " seed " << seed;
    }
  }
}

TEST(HeartbeatModel, FindsAShorterTimeoutWithFourDeathsAtMost) {
  const Nat nat{[](Duration at) { return seconds(at < hours(72) ? 600 : 200); }};
  for (const bool punctual : {false, true}) {
    Device device(nat, 1, punctual);
    const auto days = device.live(8);
    EXPECT_LE(days[3].reconnects, punctual ? 4 : 3);
    for (std::size_t d = 4; d < days.size(); ++d) {
      EXPECT_EQ(days[d].reconnects, 0) << d;
      EXPECT_EQ(days[d].dark, Duration::zero()) << d;
    }
    EXPECT_GE(device.gaps().lo, seconds(180));
  }
}

TEST(HeartbeatModel, FindsALongerTimeoutWithinTheWeek) {
  const Nat nat{[](Duration at) { return seconds(at < hours(72) ? 120 : 1'800); }};
  Device device(nat, 1);
  const auto days = device.live(12);
  EXPECT_LE(days.back().wakes, 60);
}

TEST(HeartbeatModel, IsWithinATenthOfItsFinalHeartbeatInHalfADay) {
  for (const int timeout : kTimeouts) {
    Device half(fixed(seconds(timeout)), 1);
    half.live(1);
    Device week(fixed(seconds(timeout)), 1);
    week.live(6);
    EXPECT_GE(half.gaps().lo * 10, week.gaps().lo * 9) << "T=" << timeout;
  }
}

}  // namespace
}  // namespace wakeline::link
