// SPDX-License-Identifier: Apache-2.0
#include "sim/lean/gates.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "sim/lean/clients.h"
#include "sim/lean/storm.h"

namespace wakeline::sim::lean {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(Gates, AreAllMet_C39_C40) {
  const GateReport report = run_gates(true);
  EXPECT_GE(report.gates.size(), 26U);
  EXPECT_GE(report.tables.size(), 10U);
  for (const Gate& gate : report.gates)
    EXPECT_TRUE(gate.passed) << gate.what << ": " << gate.reached << ", wanted " << gate.wanted;
}

LaneWorld nat(Duration timeout) {
  LaneWorld world;
  world.stretches = {{.nat = timeout}};
  return world;
}

TEST(Lanes, GiveTheWakesThatTheRulesOfOthersMake) {
  // The model tables of the design: 31 s, 840 s less a fifth at most, 28 min.
  EXPECT_NEAR(
      static_cast<double>(run_rules(nat(hours(3)), *find_baseline("libsignal"), 1).wakes_in_all()),
      86'400 / 31.1, 3);
  const auto rfc = run_rules(nat(minutes(20)), *find_baseline("RFC 5626"), 1);
  EXPECT_GT(rfc.wakes_in_all(), 86'400U / 840);
  EXPECT_LT(rfc.wakes_in_all(), 86'400U / 672 + 2);
  EXPECT_EQ(rfc.dark, Duration::zero());
  const auto fcm = run_rules(nat(minutes(5)), *find_baseline("FCM-like 28 min"), 1);
  EXPECT_GT(fcm.dark, hours(18)) << "dark for 23 of 29 minutes";
  EXPECT_EQ(find_baseline("nobody"), nullptr);
}

TEST(Lanes, ShowADarkDeviceWhereTheIntervalIsLongerThanTheNat) {
  OurWay stubborn;
  stubborn.policy = {.floor = seconds(900), .cap = seconds(900), .prior = seconds(900)};
  EXPECT_GT(run_ours(nat(minutes(5)), stubborn, 1).dark, hours(10));
  EXPECT_EQ(run_ours(nat(minutes(5)), {}, 1).dark, Duration::zero());
}

TEST(Lanes, AreTheSameForTheSameSeed) {
  LaneWorld world = nat(minutes(5));
  world.loss_permille = 50;
  const LaneFigures a = run_ours(world, {}, 7);
  const LaneFigures b = run_ours(world, {}, 7);
  EXPECT_EQ(a.wakes, b.wakes);
  EXPECT_EQ(a.radio_active, b.radio_active);
  EXPECT_EQ(a.gaps, b.gaps);
}

TEST(Storms, AreTheSameForTheSameSeedAndEndForOurs) {
  const StormModel model{.clients = 5'000, .admits_per_s = 100};
  const StormFigures a = run_storm(model, nullptr, 3);
  EXPECT_EQ(a.back, 5'000U);
  EXPECT_EQ(a.digest, run_storm(model, nullptr, 3).digest);
  EXPECT_NE(a.digest, run_storm(model, nullptr, 4).digest);
}

}  // namespace
}  // namespace wakeline::sim::lean
