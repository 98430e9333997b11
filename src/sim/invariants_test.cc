// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "sim/run.h"
#include "sim/scenario_file.h"

// Each promise that the simulator checks can be broken, and is seen when it is.
namespace wakeline::sim {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

/// The first seed up to `seeds` whose run breaks a promise with `text` in its name; 0: none.
std::uint64_t broken_seed(const Scenario& scenario, const char* text, std::uint64_t seeds) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const Report report = run(scenario, seed);
    for (const std::string& what : report.violations)
      if (what.find(text) != std::string::npos) return seed;
  }
  return 0;
}

Scenario with(const char* name, Bug bug) {
  Scenario scenario = *find_scenario(name);
  scenario.bug = bug;
  return scenario;
}

TEST(Invariants, SeeAServerThatAnswersBeforeItsCommit) {
  Scenario s = with("disturbed", Bug::kAnswersBeforeCommit);
  s.faults[Fault::Kind::kServerStop] = seconds(30);
  s.pushes.front().fault_after_percent = 100;
  EXPECT_NE(broken_seed(s, "is lost", 200), 0U);
}

TEST(Invariants, SeeAnAppThatForgetsWhatItAccepted) {
  EXPECT_NE(broken_seed(with("crashing", Bug::kForgetsAcceptance), "again after it was kept", 50),
            0U);
}

TEST(Invariants, SeeAFileThatWasRenamedBeforeItWasSynced) {
  Scenario s = with("crashing", Bug::kSkipsSync);
  s.faults[Fault::Kind::kDeviceRestart] = minutes(2);
  EXPECT_NE(broken_seed(s, "is torn", 100), 0U);
}

TEST(Invariants, SeeAnAppThatIsLeftAsleepOverUnreadData_C11) {
  EXPECT_NE(broken_seed(with("disturbed", Bug::kLosesReadiness), "unread data", 5), 0U);
}

TEST(Invariants, SeeAnAppThatRunsOutsideItsWindows_C8) {
  EXPECT_NE(broken_seed(with("disturbed", Bug::kNeverFreezes), "outside its windows", 5), 0U);
}

TEST(Invariants, SeeAKeepAliveThatIsLate_C15) {
  EXPECT_NE(broken_seed(with("disturbed", Bug::kRunsLate), "C15", 5), 0U);
}

TEST(Invariants, SeeTwoLiveSessionsOfOneDevice) {
  EXPECT_NE(broken_seed(with("disturbed", Bug::kKeepsOldSession), "live sessions", 50), 0U);
}

TEST(Invariants, SeeAQueueWithoutBound) {
  Scenario s = with("chatty-server", Bug::kForgetsWindow);
  // Offline for long, so that very much waits.
  s.pushes.front().every = seconds(2);
  s.events.push_back({.at = minutes(6), .kind = Fault::Kind::kOffline, .lasts = minutes(20)});
  EXPECT_NE(broken_seed(s, "in flight", 3), 0U);
}

TEST(Invariants, SeeAStoreThatDropsWhatHasNotExpired) {
  EXPECT_NE(broken_seed(with("disturbed", Bug::kExpiresEarly), "is lost", 5), 0U);
}

TEST(Invariants, SeeAnUpgradeThatHandsNothingOver) {
  EXPECT_NE(broken_seed(with("rolling-upgrade", Bug::kHandsOverNothing), "", 3), 0U);
}

TEST(Invariants, SeeAPushThatComesToAnother) {
  EXPECT_NE(broken_seed(with("disturbed", Bug::kMixesInboxes), " came to app", 5), 0U);
}

TEST(Invariants, SeePushesInAnotherOrder_C24) {
  EXPECT_NE(broken_seed(with("disturbed", Bug::kDeliversLate), "out of order", 5), 0U);
}

TEST(Invariants, SeeAPushThatIsGivenTwice_C24) {
  EXPECT_NE(broken_seed(with("disturbed", Bug::kDeliversTwice), "twice in one run", 5), 0U);
}

TEST(Invariants, SeeAnAppThatHasToBeKilled_C21) {
  EXPECT_NE(broken_seed(with("disturbed", Bug::kIgnoresExpiry), " killed: ", 5), 0U);
}

TEST(Invariants, SeeAWatchThatSpins_C11) {
  EXPECT_NE(broken_seed(with("disturbed", Bug::kForgetsUnwatch), "spins", 5), 0U);
}

TEST(Invariants, SeeAnAppThatIsFloodedInItsSleep) {
  EXPECT_NE(broken_seed(with("commuter", Bug::kFloods), "events wait for", 1), 0U);
}

TEST(Invariants, SeeAnAppThatNeverComesToRest_C34) {
  EXPECT_NE(broken_seed(with("disturbed", Bug::kStaysDown), "no rest", 5), 0U);
}

TEST(Invariants, SeeAPushThatDoesNotRing_C10) {
  Scenario s = with("suspended-system", Bug::kRingsNobody);
  s.pushes.clear();
  EXPECT_NE(broken_seed(s, "did not ring", 1), 0U);
}

TEST(Invariants, SeeAnAppThatFindsNoRestAfterAPush_C8) {
  Scenario s = with("suspended-system", Bug::kNeverKeeps);
  s.pushes.clear();
  EXPECT_NE(broken_seed(s, "no rest a minute after the last push", 1), 0U);
}

TEST(Invariants, SeeARunThatDoesNotEnd) {
  EXPECT_NE(broken_seed(with("disturbed", Bug::kTurnsOnTheSpot), "does not end", 1), 0U);
}

TEST(Shrinking, LeavesWhatAFailureNeedsAndSaysHowToReplayIt) {
  Scenario s = with("disturbed", Bug::kKeepsOldSession);
  const std::uint64_t seed = broken_seed(s, "live sessions", 50);
  ASSERT_NE(seed, 0U);
  const std::size_t faults = make_plan(s, seed).faults.size();
  const RunOptions least = shrink(s, seed, 150);
  ASSERT_TRUE(least.keep.faults && least.keep.pushes && least.until);
  EXPECT_LT(least.keep.faults->size(), faults);
  EXPECT_LE(least.keep.faults->size(), 4U);
  EXPECT_TRUE(least.keep.pushes->empty()) << "no push is needed to have two sessions";
  EXPECT_FALSE(run(s, seed, least).ok());
  const std::string replay = replay_options(seed, least);
  EXPECT_NE(replay.find("--seed"), std::string::npos);
  EXPECT_NE(replay.find("--pushes none"), std::string::npos);
}

}  // namespace
}  // namespace wakeline::sim
