// SPDX-License-Identifier: Apache-2.0
#include "core/doze/run_budget.h"

#include "core/doze/doze_testing.h"

namespace wakeline::doze::testing {
namespace {

using enum LedgerEvent;

TEST(RunBudgets, C14EmptyWhileTheAppRunsAndFillWhileItSleeps) {
  const Profile profile;
  RunBudget budget;
  Instant now{1'000s};
  EXPECT_EQ(budget.left(now, profile), 15min);
  budget.update(now, true, profile);
  now += 10min;
  EXPECT_EQ(budget.left(now, profile), 5min);
  budget.update(now, false, profile);
  now += 15min;  // three of sleep for one of running: in an hour of both no more than 15 min
  EXPECT_EQ(budget.left(now, profile), 10min);
  now += 1h;
  EXPECT_EQ(budget.left(now, profile), 15min);
}

TEST(RunBudgets, C14OweNothingOverTheBudget) {
  const Profile profile;
  RunBudget budget;
  budget.update(Instant{1'000s}, true, profile);
  const Instant now{1'000s + 10h};
  EXPECT_EQ(budget.left(now, profile), 0s);
  EXPECT_EQ(budget.wait(now, 2s, profile), 6s + 1ns);
  EXPECT_TRUE(budget.take_used_up(now, profile));
  EXPECT_FALSE(budget.take_used_up(now, profile));
}

TEST(RunBudgets, C14AreNoneInTheFaithfulProfiles) {
  for (const Profile& profile : {Profile::ios(), Profile::ios_classic()}) {
    RunBudget budget;
    budget.update(Instant{1'000s}, true, profile);
    EXPECT_EQ(budget.left(Instant{1'000s + 10h}, profile), Duration::max());
    EXPECT_EQ(budget.wait(Instant{1'000s + 10h}, 2s, profile), 0s);
  }
}

/// An app whose server answers every time, so that it keeps itself awake (S1).
struct Chain : ::testing::Test {
  explicit Chain(Profile profile = Profile::linux_default()) : bed(std::move(profile)) {
    bed.launch(a);
    tag = bed.tag(a);
    bed.sleep(a);
  }
  /// Answers samples, with new data every nine seconds, until `end` or something else is put out.
  List chain(Instant end) {
    Instant answered = bed.now;
    while (bed.now < end) {
      const List list = bed.next();
      if (list != List{Sample{a}}) return list;
      if (bed.now - answered >= 9s) {
        bed.bytes += 10;
        answered = bed.now;
      }
      bed.cpu += 10ms;  // busy, so that it is never quiet
      bed.doze.on_sample(bed.now, a, bed.reading(a), bed.out);
      if (List list2 = bed.take(); !list2.empty()) return list2;
    }
    return {};
  }
  Bed bed;
  AppId a = bed.app;
  TagId tag;
};
struct ChainOnIos : Chain {
  ChainOnIos() : Chain(Profile::ios()) {}
};
struct ChainOnClassic : Chain {
  ChainOnClassic() : Chain(Profile::ios_classic()) {}
};

TEST_F(ChainOnClassic, C14AnAnswerInEveryWindowKeepsTheAppAwake) {
  bed.data(a, tag);
  EXPECT_EQ(chain(bed.now + 2h), List{});
}

TEST_F(ChainOnIos, C14AnAnswerInEveryWindowKeepsTheAppAwakeAndIsOneWake) {
  bed.data(a, tag);
  EXPECT_EQ(chain(bed.now + 2h), List{});
  EXPECT_EQ(bed.doze.find(a)->run.limiter.count(bed.now, bed.doze.profile()), 0);
}

TEST_F(Chain, C14TheBudgetEndsItAndTheLedgerNamesTheApp) {
  const Instant start = bed.now;
  bed.data(a, tag);
  const List list = chain(start + 2h);
  EXPECT_EQ(list, (List{ledger(a, kRunBudget, "used_up", 900), Suspend{a}}));
  EXPECT_NEAR(static_cast<double>((bed.now - start) / 1s), 900.0, 5.0);
}

TEST_F(Chain, C14AfterTheBudgetWindowsAreShortAndWakesWaitAndNoneIsLost) {
  const Instant start = bed.now;
  bed.data(a, tag);
  chain(start + 2h);
  Duration awake = bed.now - start;
  // From now on there is always data.
  int wakes = 0;
  const Instant until = bed.now + 1h;
  while (bed.now < until) {
    bed.bytes += 10;
    List list = bed.suspended(a, bed.reading(a, 10));
    Instant asked = bed.now;
    while (bed.doze.state(a) == AppState::kSuspended) {
      ASSERT_TRUE(bed.doze.find(a)->run.delayed);  // planned, not lost
      list = bed.next();
    }
    EXPECT_LE(bed.now - asked, 60s);
    ++wakes;
    const Instant woken = bed.now;
    EXPECT_EQ(chain(until + 1h).back(), Action(Suspend{a}));
    awake += bed.now - woken;
  }
  EXPECT_GT(wakes, 60);
  EXPECT_LE(awake, 15min + 16min);  // the budget at hand, and what an hour gives
}

}  // namespace
}  // namespace wakeline::doze::testing
