// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>

#include "sim/kernel.h"
#include "sim/run.h"

namespace wakeline::sim {
namespace {

/// Runs the seeds [first, first + count); a failing one is explained, the end of its trace in full.
Report prove(const Scenario& scenario, std::uint64_t first, std::uint64_t count) {
  Report sum;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const Report report = run(scenario, seed);
    sum.accepted += report.accepted;
    sum.delivered += report.delivered;
    sum.redelivered += report.redelivered;
    sum.launches += report.launches;
    if (report.ok()) continue;
    // Seed and plan whole, of the trace the end.
    constexpr std::size_t kTraceShown = 60'000;
    const std::string text = explain(scenario, seed);
    const std::size_t plan_end = text.find("trace:\n");
    const std::size_t tail = text.size() > kTraceShown ? text.size() - kTraceShown : 0;
    ADD_FAILURE() << text.substr(0, plan_end) << text.substr(std::max(plan_end, tail));
    break;
  }
  return sum;
}

// A case is a range of seeds, so that the cases run side by side.
class Disturbed : public ::testing::TestWithParam<std::uint64_t> {};
class Crashing : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(Disturbed, EveryAcceptedPushIsDeliveredExactlyOnce) {
  const Report sum = prove(disturbed(), GetParam(), 250);
  EXPECT_GT(sum.accepted, 250U * 50);
  EXPECT_EQ(sum.redelivered, 0U);
}
TEST_P(Crashing, EveryAcceptedPushIsKeptAndGivenToNobodyWhoKeptIt) {
  const Report sum = prove(crashing(), GetParam(), 125);
  EXPECT_GT(sum.accepted, 125U * 50);
  EXPECT_GT(sum.redelivered, 0U) << "the suite must meet crashes between delivery and acceptance";
}
INSTANTIATE_TEST_SUITE_P(Seeds, Disturbed, ::testing::Values(1, 251, 501, 751));
INSTANTIATE_TEST_SUITE_P(Seeds, Crashing, ::testing::Values(1, 126, 251, 376));

TEST(Simulator, SeesAServerThatAnswersBeforeItsCommit) {
  Scenario lying = disturbed();
  lying.answers_before_commit = true;
  lying.server_stop_every = std::chrono::seconds(30);
  lying.fault_after_push_percent = 100;
  bool seen = false;
  for (std::uint64_t seed = 1; seed <= 200 && !seen; ++seed) seen = !run(lying, seed).ok();
  EXPECT_TRUE(seen);
}

TEST(Simulator, RunsEventsByTimeAndThoseOfOneTimeInTheirOrder) {
  Kernel kernel(1, false);
  std::string order;
  kernel.after(Duration(2), [&] { order += 'c'; });
  kernel.after(Duration(1), [&] {
    order += 'a';
    kernel.at(Instant(), [&] { order += 'b'; });  // long past: now
  });
  kernel.after(Duration(2), [&] { order += 'd'; });
  kernel.after(Duration(9), [&] { order += 'x'; });
  EXPECT_TRUE(kernel.run_until(Instant(Duration(5)), 100));
  EXPECT_EQ(order, "abcd");
  EXPECT_EQ(kernel.now(), Instant(Duration(5)));
  EXPECT_FALSE(kernel.run_until(Instant(Duration(9)), 4));
}

TEST(Simulator, KnowsItsScenariosByName) {
  ASSERT_NE(find_scenario("crashing"), nullptr);
  EXPECT_EQ(find_scenario("crashing")->name, "crashing");
  EXPECT_EQ(find_scenario("quiet"), nullptr);
}

TEST(Simulator, GivesTheSameDigestTwiceForOneSeed) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Report a = run(crashing(), seed);
    const Report b = run(crashing(), seed);
    EXPECT_EQ(a.digest, b.digest);
    EXPECT_EQ(to_line(a), to_line(b));
    EXPECT_NE(a.digest, run(crashing(), seed + 1'000).digest);
  }
}

TEST(Simulator, ExplainsARunWithoutChangingIt) {
  const std::string text = explain(disturbed(), 3);
  EXPECT_NE(text.find(to_line(run(disturbed(), 3))), std::string::npos);
  for (const Fault& fault : make_plan(disturbed(), 3).faults)
    EXPECT_NE(text.find(to_line(fault)), std::string::npos);
}

}  // namespace
}  // namespace wakeline::sim
