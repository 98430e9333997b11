// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>

#include "sim/kernel.h"
#include "sim/run.h"
#include "sim/scenario_file.h"

namespace wakeline::sim {
namespace {

const Scenario& scenario(std::string_view name) {
  const Scenario* found = find_scenario(name);
  EXPECT_NE(found, nullptr) << name;
  return *found;
}

/// Runs the seeds [first, first + count); a failing one is shrunk and explained, the end of its
/// trace in full.
Report prove(const Scenario& s, std::uint64_t first, std::uint64_t count) {
  Report sum;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const Report report = run(s, seed);
    sum.accepted += report.accepted;
    sum.delivered += report.delivered;
    sum.redelivered += report.redelivered;
    sum.expired += report.expired;
    sum.launches += report.launches;
    sum.turned_away += report.turned_away;
    if (report.ok()) continue;
    constexpr std::size_t kRunsOfShrinking = 100;
    const RunOptions least = shrink(s, seed, kRunsOfShrinking);
    // Seed and plan whole, of the trace the end.
    constexpr std::size_t kTraceShown = 60'000;
    const std::string text = explain(s, seed, least);
    const std::size_t plan_end = text.find("trace:\n");
    const std::size_t tail = text.size() > kTraceShown ? text.size() - kTraceShown : 0;
    ADD_FAILURE() << to_line(report) << "\nwakeline sim run " << s.name << ' '
                  << replay_options(seed, least) << " --trace\n"
                  << text.substr(0, plan_end) << text.substr(std::max(plan_end, tail));
    break;
  }
  return sum;
}

// A case is a range of seeds, so that the cases run side by side.
class Disturbed : public ::testing::TestWithParam<std::uint64_t> {};
class Crashing : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(Disturbed, EveryAcceptedPushIsDeliveredExactlyOnce) {
  const Report sum = prove(scenario("disturbed"), GetParam(), 150);
  EXPECT_GT(sum.accepted, 150U * 50);
  EXPECT_EQ(sum.redelivered, 0U);
}
TEST_P(Crashing, EveryAcceptedPushIsKeptAndGivenToNobodyWhoKeptIt) {
  const Report sum = prove(scenario("crashing"), GetParam(), 150);
  EXPECT_GT(sum.accepted, 150U * 50);
  EXPECT_GT(sum.redelivered, 0U) << "the suite must meet crashes between delivery and acceptance";
}
INSTANTIATE_TEST_SUITE_P(Seeds, Disturbed, ::testing::Values(1, 151, 301, 451));
INSTANTIATE_TEST_SUITE_P(Seeds, Crashing, ::testing::Values(1, 151, 301, 451));

// Scenarios of daily life: few seeds, because each is a day of many devices.
class DailyLife : public ::testing::TestWithParam<std::string> {};

TEST_P(DailyLife, KeepsEveryPromise) {
  const Report sum = prove(scenario(GetParam()), 1, 3);
  EXPECT_GT(sum.delivered, 10U);
}
INSTANTIATE_TEST_SUITE_P(Scenarios, DailyLife,
                         ::testing::Values("commuter", "no-network-night", "hotel", "hospital",
                                           "crash-at-boot", "chatty-server", "keep-awake-chain",
                                           "clock-jumps", "suspended-system", "handover",
                                           "rolling-upgrade", "dead-lines"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

/// Seeds that once broke a promise, with what it was.
struct NamedSeed {
  const char* name;
  const char* scenario;
  std::uint64_t seed;
};
class Once : public ::testing::TestWithParam<NamedSeed> {};
TEST_P(Once, BrokeAPromiseAndKeepsItNow) {
  prove(scenario(GetParam().scenario), GetParam().seed, 1);
}
INSTANTIATE_TEST_SUITE_P(
    Found, Once,
    ::testing::Values(NamedSeed{"DiedBetweenRenameAndFolderSync", "crashing", 44},
                      NamedSeed{"OpenedByTheUserWhileItWasLaunched", "crashing", 204},
                      NamedSeed{"HeldATaskWhileTheMachineSlept", "commuter", 1},
                      NamedSeed{"ExpiredBeforeTheClockWasSetBack", "clock-jumps", 1},
                      NamedSeed{"HeldAwakeForAMeasurementOnASlowPath", "crashing", 15'001}),
    [](const auto& parameter) { return std::string(parameter.param.name); });

TEST(Scenarios, MeetWhatTheyAreAbout) {
  EXPECT_GT(prove(scenario("hospital"), 1, 1).turned_away, 0U) << "forty handsets at one moment";
  EXPECT_GE(prove(scenario("crash-at-boot"), 1, 1).launches, 8U) << "six crashes and two apps";
  EXPECT_GT(prove(scenario("clock-jumps"), 1, 2).expired, 0U);
  const Report night = run(scenario("no-network-night"), 1);
  EXPECT_LE(night.wakes, 120U) << "nothing is tried in the night";
  RunOptions recording;
  recording.recording = true;
  const Report slept = run(scenario("suspended-system"), 1, recording);
  ASSERT_EQ(slept.devices.size(), 2U);
  for (const DeviceStory& device : slept.devices)
    EXPECT_GT(device.system.total(static_cast<std::uint8_t>(SystemLane::kAsleep)),
              std::chrono::hours(4))
        << device.name;
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

TEST(Simulator, GivesTheSameDigestTwiceForOneSeed) {
  const Scenario& s = scenario("crashing");
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Report a = run(s, seed);
    const Report b = run(s, seed);
    EXPECT_EQ(a.digest, b.digest);
    EXPECT_EQ(to_line(a), to_line(b));
    EXPECT_NE(a.digest, run(s, seed + 1'000).digest);
  }
}

TEST(Simulator, GivesEachEntityItsOwnGenerator) {
  EXPECT_EQ(random_of(7, "path", 1).next(), random_of(7, "path", 1).next());
  EXPECT_NE(random_of(7, "path", 1).next(), random_of(7, "path", 2).next());
  EXPECT_NE(random_of(7, "path", 1).next(), random_of(7, "machine", 1).next());
  EXPECT_NE(random_of(7, "path", 1).next(), random_of(8, "path", 1).next());
}

TEST(Simulator, ExplainsARunWithoutChangingIt) {
  const Scenario& s = scenario("disturbed");
  const std::string text = explain(s, 3);
  EXPECT_NE(text.find(to_line(run(s, 3))), std::string::npos);
  for (const Fault& fault : make_plan(s, 3).faults)
    EXPECT_NE(text.find(to_line(fault)), std::string::npos);
}

TEST(Simulator, StopsAtTheTimeThatItIsTold) {
  RunOptions options;
  options.until = std::chrono::minutes(3);
  const Report report = run(scenario("disturbed"), 3, options);
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.virtual_time, std::chrono::minutes(3));
}

/// Pushes at 30, 70 and 110 s to a device that is in flight mode from 60 s on.
Scenario flight() {
  constexpr std::string_view kText = R"toml(lasts = "10min"
[[network]]
name = "cell"
[[device]]
name = "phone"
[[device.move]]
at = "1min"
to = "none"
[[push]]
every = "40s"
from = "30s"
until = "2min"
)toml";
  return read_scenario(kText, "flight").value();
}

TEST(Simulator, DoesNotJudgeWhatIsOnTheWayWhenItIsStopped) {
  RunOptions options;
  options.until = std::chrono::minutes(3);
  const Report stopped = run(flight(), 1, options);
  EXPECT_TRUE(stopped.ok());
  EXPECT_EQ(stopped.accepted, 3U);
  EXPECT_EQ(stopped.delivered, 1U);
  EXPECT_EQ(stopped.not_judged, 2U);
  EXPECT_EQ(stopped.span, std::chrono::minutes(3));
  const std::string line = to_line(stopped);
  EXPECT_NE(line.find("1 delivered, 0 again, 0 expired, 2 not judged, 0 refused"),
            std::string::npos)
      << line;
  EXPECT_NE(line.find("ring –,"), std::string::npos) << line;
}

TEST(Simulator, JudgesEveryPushOfAWholeRun) {
  const Report whole = run(flight(), 1);
  EXPECT_EQ(whole.accepted, 4U);  // with the ring at the end
  EXPECT_EQ(whole.delivered, 4U);
  EXPECT_EQ(whole.not_judged, 0U);
  EXPECT_EQ(whole.span, std::chrono::minutes(10));
  const std::string line = to_line(whole);
  EXPECT_EQ(line.find("not judged"), std::string::npos) << line;
  EXPECT_EQ(line.find("ring –"), std::string::npos) << line;
}

TEST(Radio, CountsPromotionAndTail) {
  Radio radio;
  const Instant start{std::chrono::seconds(100)};
  EXPECT_EQ(radio.on_packet(kLte, start), kLte.promotion);
  EXPECT_EQ(radio.on_packet(kLte, start + std::chrono::seconds(1)), Duration::zero());
  EXPECT_EQ(radio.promotions(), 1U);
  EXPECT_EQ(radio.active(), std::chrono::seconds(1) + kLte.tail);
  EXPECT_FALSE(radio.up(start + std::chrono::seconds(13)));
  EXPECT_EQ(radio.on_packet(kLte, start + std::chrono::seconds(60)), kLte.promotion);
  // 260 ms at 1211 mW twice; a tail of 11.576 s at 1060 mW twice, and what lay between the packets.
  const std::int64_t tails = 1'060 * (2 * 11'576 + 1'000 - 260);
  EXPECT_EQ(radio.energy_uj(), 2 * 1'211 * 260 + tails);
  EXPECT_EQ(Radio().on_packet(kWired, start), Duration::zero());
}

}  // namespace
}  // namespace wakeline::sim
