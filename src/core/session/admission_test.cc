// SPDX-License-Identifier: Apache-2.0
#include "core/session/admission.h"

#include <gtest/gtest.h>

namespace wakeline::session {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

base::Instant since_start(base::Duration since) { return base::Instant{} + seconds(100) + since; }

TEST(Admission, LetsEverybodyInWhileFewAreUnderWay) {
  Admission gate;
  for (std::size_t guests = 0; guests < Admission::kGuestsMin; ++guests)
    EXPECT_FALSE(gate.on_arrival(since_start(seconds(0)), guests));
}

TEST(Admission, GivesTheRefusedSlotsThatAreDrainedAtHalfTheRate) {
  Admission gate;
  const auto first = gate.on_arrival(since_start(seconds(0)), 2'000);
  const auto second = gate.on_arrival(since_start(seconds(0)), 2'000);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(*first, seconds(1) + milliseconds(1));  // behind those that are under way
  EXPECT_EQ(*second - *first, milliseconds(1));
  EXPECT_EQ(gate.on_arrival(since_start(milliseconds(1)), 2'000), seconds(1) + milliseconds(2));
}

TEST(Admission, GivesNoSlotBeyondTenMinutes) {
  Admission gate;
  std::optional<base::Duration> last;
  for (int i = 0; i < 700'000; ++i) last = gate.on_arrival(since_start(seconds(0)), 5'000);
  EXPECT_EQ(last, Admission::kSlotMax);
}

TEST(Admission, LearnsHowFastTheServerIsWhileItIsBusy) {
  Admission fast;
  base::Duration now{};
  for (int i = 0; i < 100'000; ++i) fast.on_finished(since_start(now += microseconds(50)), 100);
  EXPECT_NEAR(fast.rate(), 20'000, 500);
  Admission slow;
  now = {};
  for (int i = 0; i < 2'000; ++i) slow.on_finished(since_start(now += milliseconds(5)), 100);
  EXPECT_NEAR(slow.rate(), 200, 20);
  Admission idle;
  now = {};
  for (int i = 0; i < 2'000; ++i) idle.on_finished(since_start(now += milliseconds(50)), 0);
  EXPECT_EQ(idle.rate(), Admission::kRateFirst);
}

TEST(Admission, LearnsNothingOfHowManyComeOrOfAPeerThatSaysNothing) {
  Admission gate;
  base::Duration now{};
  // 250 a second, half a millisecond of work each; one guest never gets through.
  for (int i = 0; i < 5'000; ++i) {
    gate.on_slept(microseconds(3'500));
    gate.on_finished(since_start(now += milliseconds(4)), 1);
  }
  EXPECT_NEAR(gate.rate(), 2'000, 100);
  // It was slow once, and is not any more.
  for (int i = 0; i < 1'000; ++i) gate.on_finished(since_start(now += milliseconds(5)), 100);
  EXPECT_NEAR(gate.rate(), 200, 20);
  for (int i = 0; i < 5'000; ++i) {
    gate.on_slept(microseconds(3'500));
    gate.on_finished(since_start(now += milliseconds(4)), 1);
  }
  EXPECT_NEAR(gate.rate(), 2'000, 100);
}

TEST(Admission, SpreadsTheReturnOverWhatAllOfThemTake) {
  const Admission gate;
  EXPECT_EQ(gate.spread(100'000), seconds(50));
  EXPECT_EQ(gate.spread(0), seconds(0));
}

}  // namespace
}  // namespace wakeline::session
