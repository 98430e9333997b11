// SPDX-License-Identifier: Apache-2.0
#include "core/doze/look_pace.h"

#include <map>

#include "core/doze/doze_testing.h"

namespace wakeline::doze::testing {
namespace {

LookPace pace_of(int apps, Duration cost) {
  LookPace pace;
  for (int i = 0; i < apps; ++i) pace.begin();
  for (int i = 0; i < 500; ++i) pace.took(cost);
  return pace;
}

TEST(LookPace, IsTheProfilesUntilTheLooksTakeMoreThanTheirShare) {
  const Profile profile;
  EXPECT_EQ(pace_of(1, 200us).interval(profile), 100ms);
  EXPECT_EQ(pace_of(100, 200us).interval(profile), 100ms);
  EXPECT_NEAR(pace_of(1'000, 200us).interval(profile) / 1ms, 1'000, 1);
  EXPECT_EQ(pace_of(4'096, 10ms).interval(profile), 2'500ms) << "four looks in a window";
  LookPace fewer = pace_of(1'000, 200us);
  for (int i = 0; i < 900; ++i) fewer.end();
  EXPECT_EQ(fewer.interval(profile), 100ms);
}

/// Very many awake apps that are never quiet, each look taking 200 µs.
struct Crowd : ::testing::Test {
  Crowd() {
    for (int i = 0; i < 1'000; ++i) {
      apps.push_back(bed.add("app" + std::to_string(i)));
      bed.launch(apps.back());
      bed.tag(apps.back());
    }
    opened = bed.now;
  }
  void run_until(Instant end) {
    while (bed.doze.next_deadline() <= end) {
      const List list = bed.next();
      for (const Action& action : list) answer(action);
      largest = std::max(largest, list.size());
    }
  }
  void answer(const Action& action) {
    if (const auto* sample = std::get_if<Sample>(&action)) {
      ++looks;
      Reading reading = bed.reading(sample->app);
      reading.busy = true;
      reading.took = 200us;
      if (sample->app == heard) reading.tags.front().bytes += 10;
      bed.doze.on_sample(bed.now, sample->app, reading, bed.out);
    } else if (const auto* suspend = std::get_if<Suspend>(&action)) {
      suspended.emplace(suspend->app, bed.now - opened);
      bed.doze.on_suspended(bed.now, suspend->app, bed.reading(suspend->app), bed.out);
    }
    for (const Action& next : bed.take()) answer(next);
  }

  Bed bed;
  std::vector<AppId> apps;
  Instant opened{};
  AppId heard;  ///< bytes have come on its line
  int looks = 0;
  std::size_t largest = 0;
  std::map<AppId, Duration> suspended;
};

TEST_F(Crowd, C12IsLookedAtForAFifthOfAProcessorAndItsWindowsEndInTime) {
  run_until(opened + 10s);
  // 10,000 in ten seconds are the share; some more come before the cost of a look is known.
  EXPECT_LE(looks, 13'000);
  EXPECT_GE(looks, 8'000);
  EXPECT_LE(largest, 8u) << "a wake waits for some looks, not for a thousand";
  ASSERT_EQ(suspended.size(), apps.size());
  for (const auto& [app, after] : suspended) EXPECT_EQ(after, 10s) << app.value;
}

TEST_F(Crowd, C14BytesAfterTheLastOfFewLooksStillProlongTheWindow) {
  run_until(opened + 9'999ms);
  heard = apps[7];
  run_until(opened + 10s);
  EXPECT_EQ(suspended.size(), apps.size() - 1);
  EXPECT_FALSE(suspended.contains(heard));
  EXPECT_EQ(bed.doze.find(heard)->run.window_end, opened + 20s);
}

}  // namespace
}  // namespace wakeline::doze::testing
