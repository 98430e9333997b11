// SPDX-License-Identifier: Apache-2.0
#include "core/link/heartbeat.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace wakeline::link {

inline std::ostream& operator<<(std::ostream& out, const HeartbeatPolicy::Plan& plan) {
  return out << "heartbeat=" << plan.heartbeat / std::chrono::milliseconds(1)
             << "ms probe=" << plan.probe / std::chrono::milliseconds(1) << "ms";
}

namespace {

using base::Duration;
using base::Instant;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Plan = HeartbeatPolicy::Plan;

constexpr Instant kNow{hours(1'000)};
constexpr HeartbeatPolicy kPolicy;

Gaps after(Gaps gaps, Flow flow, bool alive, Duration gap, Instant now = kNow) {
  return kPolicy.learn(gaps, {flow, alive, gap}, now);
}
Gaps main_lived(Gaps g, Duration gap, Instant now = kNow) {
  return after(g, Flow::kMain, true, gap, now);
}
Gaps main_died(Gaps g, Duration gap, Instant now = kNow) {
  return after(g, Flow::kMain, false, gap, now);
}
Gaps probe_lived(Gaps g, Duration gap, Instant now = kNow) {
  return after(g, Flow::kProbe, true, gap, now);
}
Gaps probe_died(Gaps g, Duration gap, Instant now = kNow) {
  return after(g, Flow::kProbe, false, gap, now);
}
Duration heartbeat(const Gaps& gaps) { return kPolicy.decide(gaps, kNow).heartbeat; }
Duration probe(const Gaps& gaps, Instant now = kNow) { return kPolicy.decide(gaps, now).probe; }

TEST(Heartbeat, BeginsWithThePriorAndProvesItBeforeItTriesMore) {
  EXPECT_EQ(kPolicy.decide({}, kNow), (Plan{seconds(240), {}}));
  const Gaps gaps = main_lived({}, seconds(240));
  EXPECT_EQ(gaps.lo, seconds(240));
  EXPECT_EQ(kPolicy.decide(gaps, kNow), (Plan{milliseconds(223'200), seconds(480)}));
}

TEST(Heartbeat, TakesTheServersWordForANetworkThatNobodyKnows) {
  const Gaps gaps = kPolicy.learn_hint({}, seconds(600), kNow);
  EXPECT_EQ(kPolicy.decide(gaps, kNow), (Plan{seconds(600), {}}));
  EXPECT_EQ(heartbeat(kPolicy.learn_hint({}, seconds(1), kNow)), seconds(40));
  EXPECT_EQ(heartbeat(kPolicy.learn_hint({}, hours(9), kNow)), seconds(1'680));
}

TEST(Heartbeat, LearnsFromEveryByteThatCameAfterAGapAndNeverBack) {
  Gaps gaps = main_lived({}, seconds(300));
  gaps = main_lived(gaps, seconds(20));
  EXPECT_EQ(gaps.lo, seconds(300));
  gaps = main_lived(gaps, seconds(1'000));
  EXPECT_EQ(heartbeat(gaps), seconds(930));
}

TEST(Heartbeat, TakesAByteAfterAShortGapForNoWordAgainstALongOne) {
  Gaps gaps = main_lived({}, seconds(5));
  EXPECT_EQ(kPolicy.decide(gaps, kNow), (Plan{seconds(240), {}}));
  gaps = main_died(gaps, seconds(240));
  EXPECT_EQ(heartbeat(gaps), seconds(120));
  gaps = main_lived(gaps, seconds(100));
  EXPECT_EQ(kPolicy.decide(gaps, kNow), (Plan{seconds(120), {}}));
  gaps = main_lived(gaps, seconds(120));
  EXPECT_EQ(kPolicy.decide(gaps, kNow), (Plan{milliseconds(111'600), seconds(240)}));
}

TEST(Heartbeat, TakesAProbedGapForDeadOnlyAfterTwoTrials) {
  Gaps gaps = main_lived({}, seconds(240));
  gaps = probe_died(gaps, seconds(480));
  EXPECT_EQ(gaps.hi, Duration::zero());
  EXPECT_EQ(probe(gaps), seconds(480)) << "the same gap again";
  gaps = probe_died(gaps, seconds(480));
  EXPECT_EQ(gaps.hi, seconds(480));
  EXPECT_EQ(probe(gaps), milliseconds(339'411)) << "the middle by factors";
  gaps = probe_died(gaps, milliseconds(339'411));
  gaps = probe_lived(gaps, milliseconds(339'500));
  EXPECT_EQ(gaps.doubt, Duration::zero()) << "the first trial was bad luck";
  EXPECT_EQ(gaps.lo, milliseconds(339'500));
}

TEST(Heartbeat, StopsTryingWhenTheBracketIsNarrowOrTheCapIsReached) {
  Gaps gaps{.lo = seconds(300), .hi = seconds(317), .proven_at = kNow};
  EXPECT_EQ(probe(gaps), Duration::zero());
  EXPECT_EQ(heartbeat(gaps), seconds(279));
  gaps = {.lo = seconds(1'807), .proven_at = kNow};
  EXPECT_EQ(kPolicy.decide(gaps, kNow), (Plan{seconds(1'680), {}}));
  gaps.lo = seconds(1'200);
  EXPECT_EQ(probe(gaps), kPolicy.cap / 93 * 100 + milliseconds(1)) << "no further than of use";
}

TEST(Heartbeat, HalvesAtOnceWhereNothingWasProvenYet) {
  Gaps gaps = main_died({}, seconds(240));
  EXPECT_EQ(heartbeat(gaps), seconds(120));
  gaps = main_died(gaps, seconds(120));
  EXPECT_EQ(heartbeat(gaps), seconds(60));
  gaps = main_lived(gaps, seconds(60));
  EXPECT_EQ(kPolicy.decide(gaps, kNow), (Plan{milliseconds(55'800), seconds(120)}))
      << "dead once at 120 s: the second trial is the probe's";
  gaps = main_died(main_died(main_died({}, seconds(240)), seconds(120)), seconds(60));
  EXPECT_EQ(heartbeat(gaps), seconds(40));
}

TEST(Heartbeat, ShrinksForTheSecondDeathInARowAtAProvenGapAndNotForOne) {
  const Gaps known{.lo = seconds(600), .main_lo = seconds(558), .hi = seconds(620)};
  Gaps gaps = main_died(known, seconds(558));
  EXPECT_EQ(heartbeat(gaps), seconds(558)) << "a fault of the path first";
  gaps = main_lived(gaps, seconds(558));
  gaps = main_died(gaps, seconds(558));
  EXPECT_EQ(heartbeat(gaps), seconds(558)) << "not in a row";
  gaps = main_died(gaps, seconds(558));
  EXPECT_EQ(heartbeat(gaps), seconds(279));
  EXPECT_EQ(gaps.hi, seconds(558));
  EXPECT_EQ(gaps.reprobe_at, kNow + hours(24));
}

TEST(Heartbeat, TakesADeathAfterLittleSilenceForAFaultOfThePathFirst) {
  Gaps gaps = main_died({}, seconds(60));
  EXPECT_EQ(heartbeat(gaps), seconds(240));
  gaps = main_died(main_lived(gaps, seconds(50)), seconds(60));
  EXPECT_EQ(heartbeat(gaps), seconds(240)) << "not in a row";
  gaps = main_died(gaps, seconds(60));
  EXPECT_EQ(heartbeat(gaps), milliseconds(46'500)) << "as far as it was proven";
  EXPECT_EQ(gaps.hi, seconds(60));
}

TEST(Heartbeat, LearnsFromTheLineAloneWhereItDiesAtGapsThatTheProbeCallsSafe) {
  Gaps gaps{.lo = seconds(600), .main_lo = seconds(240)};
  gaps = main_died(main_died(gaps, seconds(558)), seconds(558));
  EXPECT_TRUE(gaps.probe_unreliable);
  EXPECT_EQ(kPolicy.decide(gaps, kNow), (Plan{milliseconds(254'400), {}})) << "6 % up, no probe";
  gaps = main_lived(gaps, milliseconds(254'400));
  EXPECT_EQ(heartbeat(gaps), milliseconds(269'664));
  gaps = main_died(gaps, milliseconds(269'664));
  EXPECT_EQ(heartbeat(gaps), milliseconds(236'592)) << "back below what is proven";
}

TEST(Heartbeat, TriesADeadGapAgainAfterAWeek) {
  Gaps gaps = main_lived({}, seconds(240));
  gaps = probe_died(probe_died(gaps, seconds(250)), seconds(250));
  EXPECT_EQ(probe(gaps), Duration::zero());
  const Instant later = kNow + hours(24 * 7);
  EXPECT_EQ(probe(gaps, later), seconds(250));
  const Gaps still = probe_died(probe_died(gaps, seconds(251), later), seconds(251), later);
  EXPECT_EQ(still.hi, seconds(250));
  EXPECT_EQ(probe(still, later), Duration::zero()) << "for another week";
  const Gaps longer = probe_lived(gaps, seconds(250), later);
  EXPECT_EQ(probe(longer, later), seconds(500));
}

TEST(Heartbeat, TriesAgainWhenItWasAwayForAMonthOrTheServersWordMoved) {
  Gaps gaps{.lo = seconds(240), .hi = seconds(250), .hint = seconds(240), .proven_at = kNow};
  const Instant later = kNow + hours(24 * 31);
  EXPECT_EQ(probe(main_lived(gaps, seconds(100), later), later), seconds(250));
  EXPECT_EQ(probe(kPolicy.learn_hint(gaps, seconds(250), kNow)), Duration::zero());
  EXPECT_EQ(probe(kPolicy.learn_hint(gaps, seconds(600), kNow)), seconds(250));
}

TEST(Heartbeat, LooksForMoreByTheSecondFlowAloneWhereALineHasDied) {
  Gaps gaps = main_died(main_died({}, seconds(240)), seconds(120));
  gaps = main_lived(gaps, seconds(60));
  EXPECT_EQ(heartbeat(gaps), milliseconds(55'800));
  gaps = {.lo = seconds(139), .main_lo = seconds(139), .hi = seconds(558), .proven_at = kNow};
  EXPECT_EQ(heartbeat(gaps), milliseconds(129'270)) << "not 240 s, which nobody has seen to live";
}

constexpr HeartbeatPolicy kPunctual = {.punctual = true};
Duration bold(const Gaps& gaps) { return kPunctual.decide(gaps, kNow).heartbeat; }

TEST(Heartbeat, KeepsLittleDistanceWhereTheTimerIsPunctualAndTheBracketNarrow) {
  Gaps gaps{.lo = seconds(600), .main_lo = seconds(558), .hi = seconds(605), .proven_at = kNow};
  EXPECT_EQ(bold(gaps), seconds(588));
  EXPECT_TRUE(kPunctual.settled(gaps));
  EXPECT_EQ(heartbeat(gaps), seconds(558)) << "the kernel's timer is late";
  gaps.hi = seconds(620);
  EXPECT_EQ(bold(gaps), seconds(558));
  EXPECT_GT(kPunctual.decide(gaps, kNow).probe, seconds(600)) << "not narrow enough yet";
  gaps = {.lo = seconds(120), .hi = seconds(121), .proven_at = kNow};
  EXPECT_EQ(bold(gaps), seconds(115)) << "five seconds at least, for an answer that comes late";
  gaps = {.lo = seconds(60), .hi = seconds(62), .proven_at = kNow};
  EXPECT_EQ(bold(gaps), milliseconds(55'800));
}

TEST(Heartbeat, LooksNoFurtherWhereTheLongestHeartbeatFits) {
  const Gaps gaps{
      .lo = seconds(1'750), .hi = seconds(1'850), .proven_at = kNow, .reprobe_at = kNow};
  EXPECT_EQ(kPunctual.decide(gaps, kNow), (Plan{seconds(1'680), {}}));
  EXPECT_GT(kPolicy.decide(gaps, kNow).probe, gaps.lo);
}

TEST(Heartbeat, KeepsMoreDistanceAfterOneDeathUntilTheBracketIsSeenAgain) {
  Gaps gaps{.lo = seconds(600),
            .main_lo = seconds(588),
            .hi = seconds(605),
            .proven_at = kNow,
            .reprobe_at = kNow + hours(24 * 6)};
  gaps = kPunctual.learn(gaps, {Flow::kMain, false, seconds(588)}, kNow);
  EXPECT_EQ(bold(gaps), seconds(558));
  gaps = kPunctual.learn(gaps, {Flow::kMain, true, seconds(558)}, kNow);
  EXPECT_EQ(bold(gaps), seconds(558));
  for (int trial = 0; trial < 2; ++trial)
    gaps = kPunctual.learn(gaps, {Flow::kProbe, false, seconds(605)}, kNow + hours(24 * 7));
  EXPECT_EQ(bold(gaps), seconds(588));
}

TEST(Heartbeat, LearnsNothingFromADeathAfterAGapThatNobodyWillLeave) {
  const Gaps gaps = main_lived({}, seconds(240));
  EXPECT_EQ(main_died(gaps, hours(8)), gaps);
}

/// Whatever is seen in whatever order: bounds hold, and the plan asks for nothing known.
RC_GTEST_PROP(HeartbeatProperty, KeepsItsBoundsAfterAnyEvidence, (bool punctual)) {
  const HeartbeatPolicy policy = {.punctual = punctual};
  Gaps gaps;
  Instant now = kNow;
  const auto steps = *rc::gen::inRange(1, 200);
  for (int i = 0; i < steps; ++i) {
    now += seconds(*rc::gen::inRange(1, 100'000));
    const Duration gap = seconds(*rc::gen::inRange(1, 4'000));
    const Flow flow = *rc::gen::element(Flow::kMain, Flow::kProbe);
    gaps = policy.learn(gaps, {flow, *rc::gen::arbitrary<bool>(), gap}, now);
    const Plan plan = policy.decide(gaps, now);
    RC_ASSERT(plan.heartbeat >= kPolicy.floor);
    RC_ASSERT(plan.heartbeat <= kPolicy.cap);
    RC_ASSERT(gaps.main_lo <= gaps.lo);
    RC_ASSERT(gaps.hi == Duration::zero() || gaps.lo < gaps.hi);
    RC_ASSERT(gaps.hi == Duration::zero() || plan.heartbeat < gaps.hi ||
              plan.heartbeat == kPolicy.floor);
    RC_ASSERT(gaps.lo < kPolicy.prior || plan.heartbeat <= gaps.lo || gaps.probe_unreliable ||
              plan.heartbeat == gaps.limit);
    RC_ASSERT(plan.probe == Duration::zero() || plan.probe > gaps.lo);
  }
}

}  // namespace
}  // namespace wakeline::link
