// SPDX-License-Identifier: Apache-2.0
// Kills of the app and of the server at every step of a delivery, one after the other: what
// docs/protocol.md says under "Why a push arrives exactly once", held to the letter.
#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <span>

#include "../support/process_steps.h"
#include "io/file.h"
#include "link_push_app.h"

namespace wakeline::test {
namespace {

using Step = ProcessSteps::Step;
using Steps = std::vector<Step>;
using When = ProcessSteps::When;

/// More than a delivery has; a sweep that comes so far never ends.
constexpr std::size_t kStepsMax = 200;

std::string name(When when) { return when == When::kBefore ? "before" : "after"; }

/// Where the first one is from `from` on that was done; the end of `steps` where there is none.
std::size_t find_done(const Steps& steps, std::size_t from, const std::string& call,
                      const std::string& target) {
  while (from < steps.size() &&
         !(steps[from].done && steps[from].call == call && steps[from].target.starts_with(target)))
    ++from;
  return from;
}

/// A server with one device, whose app is a process, and what was promised to that.
struct Bed {
  Bed() {
    WL_CHECK(server.start());
    app.emplace(server.ports.mqtts, server.add_device("door"), server.ca_file());
  }
  /// As its app server does, with a key. Returns: whether the server has promised it.
  bool push(const std::string& title) {
    promised.insert(title);
    server::HttpPeer peer{server::Line(server.ports.http)};
    const std::string text = R"(":")" + title + R"(")";
    return peer.push(server.admin_token(),
                     R"({"device":"door","title)" + text + R"(,"idempotency_key)" + text + "}")
               .status == 201;
  }
  /// Pushes that are in the server's file.
  std::size_t waiting() const {
    const auto devices = server::list_devices(server.folder());
    WL_CHECK(devices && devices->size() == 1);
    return devices->front().waiting;
  }
  /// Returns: whether everything has come to its end in time; the app is online then.
  bool settles() {
    return eventually([&] { return app->has_all(promised) && waiting() == 0; });
  }
  std::map<std::string, std::vector<Given>> given() const {
    std::map<std::string, std::vector<Given>> by_title;
    for (const Given& one : app->log()) by_title[one.title].push_back(one);
    return by_title;
  }

  server::ServerProcess server{{"spread_ms=2000"}};  // the app comes back within it
  std::optional<PushApp> app;
  std::set<std::string> promised;
};

/// The steps of a delivery up to the one at which somebody died.
using Deaths = std::map<std::string, Steps>;

/// Whether a file of the app lies there half-written.
bool has_unfinished(const PushApp& app) {
  const auto folder = std::filesystem::path(app.state_file()).parent_path();
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (io::is_unfinished(entry.path().filename().string())) return true;
  return false;
}

/// Kills the app, and with it the server where `both`, at each step of a delivery; a new life of
/// the app goes on each time. The last delivery is whole.
void kill_app_at_each_step(Bed& bed, When when, bool both, Deaths& deaths) {
  bool died = true;
  int left = 0;
  for (std::size_t n = 1; died; ++n) {
    ASSERT_LT(n, kStepsMax);
    const std::string title = name(when) + "-" + std::to_string(n);
    bed.app->start();
    ASSERT_TRUE(bed.push(title + "-first") && bed.settles());
    const ProcessSteps process(bed.app->pid(), n, when);
    ASSERT_TRUE(bed.push(title));
    ASSERT_TRUE(eventually([&] { return process.killed() || bed.waiting() == 0; }));
    if (both) bed.server.kill_now();
    died = process.killed();
    bed.app->kill_now();
    if (died && has_unfinished(*bed.app)) ++left;
    deaths[title] = process.steps();
    ASSERT_TRUE(!both || bed.server.start());
  }
  bed.app->start();
  ASSERT_TRUE(bed.push(name(when) + "-last") && bed.settles());
  // What its deaths left is gone: the file that it writes next is the same.
  EXPECT_GE(left, 2);  // it was made, written, synced
  EXPECT_TRUE(eventually([&] { return !has_unfinished(*bed.app); }));
  bed.app->kill_now();
}

/// The app has acted on the push, and its acceptance is not in its file yet.
bool died_in_the_gap(const Steps& steps, const PushApp& app) {
  const std::size_t acted = find_done(steps, 0, "write", app.log_file());
  return acted < steps.size() &&
         find_done(steps, acted, "rename", app.state_file()) == steps.size();
}

/// Each came once, but those that came twice because the app died in the gap.
void expect_again_only_in_the_gap(const Bed& bed, const Deaths& deaths, bool marked) {
  auto given = bed.given();
  int in_the_gap = 0;
  for (const auto& [title, steps] : deaths) {
    SCOPED_TRACE(title + "\n" + to_text(steps));
    const bool again = died_in_the_gap(steps, *bed.app);
    const std::vector<Given> times = std::exchange(given[title], {});
    ASSERT_EQ(times.size(), again ? 2U : 1U);
    given.erase(title);
    if (!again) continue;
    ++in_the_gap;
    EXPECT_NE(times[0].pid, times[1].pid);
    EXPECT_EQ(times[0].sequence, times[1].sequence);  // by which the app can tell
    EXPECT_TRUE(times[1].maybe_seen || !marked);
  }
  EXPECT_GE(in_the_gap, 8);  // at the least: the file is made, written, synced and renamed
  for (const auto& [title, times] : given) EXPECT_EQ(times.size(), 1U) << title;
}

TEST(LinkSteps, AnAppThatDiesAtAnyStepOfADeliveryGetsThePushAndAgainOnlyMarkedAndInTheGap) {
  Bed bed;
  Deaths deaths;
  for (const When when : {When::kBefore, When::kAfter})
    ASSERT_NO_FATAL_FAILURE(kill_app_at_each_step(bed, when, false, deaths));
  expect_again_only_in_the_gap(bed, deaths, true);
}

TEST(LinkSteps, AnAppThatDiesWithItsServerAtAnyStepOfADeliveryGetsThePushAndAgainOnlyInTheGap) {
  Bed bed;
  Deaths deaths;
  for (const When when : {When::kBefore, When::kAfter})
    ASSERT_NO_FATAL_FAILURE(kill_app_at_each_step(bed, when, true, deaths));
  expect_again_only_in_the_gap(bed, deaths, false);  // the server has forgotten what it had sent
}

/// Kills the server at every `stride`-th step of a delivery, while its app lives on. A new life for
/// each: an app whose server dies ever again waits ever longer.
void kill_server_at_steps(std::size_t first, std::size_t stride, When when) {
  Bed bed;
  Deaths deaths;
  bool died = true;
  for (std::size_t n = first; died; n += stride) {
    ASSERT_LT(n, kStepsMax);
    const std::string title = name(when) + "-" + std::to_string(n);
    bed.app->start();
    ASSERT_TRUE(bed.push(title + "-first") && bed.settles());
    const ProcessSteps process(bed.server.pid(), n, when);
    const bool promised = bed.push(title);
    ASSERT_TRUE(eventually([&] { return process.killed() || (promised && bed.waiting() == 0); }));
    died = process.killed();
    bed.server.kill_now();
    deaths[title] = process.steps();
    ASSERT_TRUE(bed.server.start());
    // A sender without an answer asks again.
    ASSERT_TRUE(promised || bed.push(title));
    ASSERT_TRUE(bed.push(title + "-last") && bed.settles());
    bed.app->kill_now();
  }
  auto given = bed.given();
  for (const auto& [title, steps] : deaths)
    EXPECT_EQ(given[title].size(), 1U) << title << "\n" << to_text(steps);
  EXPECT_EQ(given.size(), bed.promised.size());
  EXPECT_GE(deaths.size() * stride, 12U);  // bytes taken, written, synced, sent, taken, written
}

TEST(LinkSteps, AServerThatDiesAtAnyStepOfADeliveryLosesNoPushAndGivesNoneTwice) {
  // Side by side, as each waits for its app to come back.
  constexpr std::size_t kStride = 3;
  std::vector<std::thread> sweeps;
  for (std::size_t first = 1; first <= kStride; ++first)
    for (const When when : {When::kBefore, When::kAfter})
      sweeps.emplace_back([=] { kill_server_at_steps(first, kStride, when); });
  for (std::thread& sweep : sweeps) sweep.join();
}

TEST(LinkSteps, NothingIsPromisedOrAcknowledgedBeforeItIsSynced) {
  Bed bed;
  bed.app->start();
  ASSERT_TRUE(bed.push("first") && bed.settles());
  const ProcessSteps of_server(bed.server.pid());
  const ProcessSteps of_app(bed.app->pid());
  ASSERT_TRUE(bed.push("second") && bed.settles());
  bed.app->kill_now();
  bed.server.kill_now();

  const Steps app = of_app.steps();
  SCOPED_TRACE("app\n" + to_text(app));
  const std::string& file = bed.app->state_file();
  EXPECT_EQ(find_done(app, 0, "sendto", "socket:"), app.size() - 1);  // the PUBACK is the last
  std::size_t at = 0;
  for (const auto& [call, target] : std::vector<std::pair<std::string, std::string>>{
           {"recvfrom", "socket:"},
           {"write", bed.app->log_file()},
           {"write", file + "."},  // the unfinished one
           {"fsync", file + "."},
           {"rename", file},
           {"fsync", file.substr(0, file.find_last_of('/'))},
           {"sendto", "socket:"}}) {
    at = find_done(app, at, call, target);
    EXPECT_LT(at, app.size()) << call << " " << target;
  }

  const Steps server = of_server.steps();
  SCOPED_TRACE("server\n" + to_text(server));
  const std::string wal = bed.server.folder() + "/store.db-wal";
  const std::size_t written = find_done(server, 0, "pwrite64", wal);
  const std::size_t synced = find_done(server, written, "fdatasync", wal);
  const std::size_t sent = find_done(server, 0, "sendto", "socket:");
  EXPECT_LT(synced, server.size());
  EXPECT_LT(synced, sent);  // neither the answer nor the PUBLISH
  const auto between = std::span(server).subspan(synced + 1, sent - synced - 1);
  EXPECT_TRUE(std::ranges::none_of(between, [](const Step& s) { return s.call == "pwrite64"; }));
}

}  // namespace
}  // namespace wakeline::test
