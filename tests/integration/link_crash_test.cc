// SPDX-License-Identifier: Apache-2.0
// Kills of the app and of the server at random moments: every promised push arrives, none twice.
#include <map>
#include <set>

#include "link_push_app.h"

namespace wakeline::test {
namespace {

/// `marked`: whoever gets a push again in a later life of the app is told that it may be so.
void expect_each_once_in_a_life(const PushApp& app, bool marked) {
  std::map<std::string, std::vector<Given>> by_title;
  for (const Given& given : app.log()) by_title[given.title].push_back(given);
  for (const auto& [title, times] : by_title) {
    for (std::size_t i = 1; i < times.size(); ++i) {
      EXPECT_NE(times[i].pid, times[i - 1].pid) << title << " twice in one life";
      EXPECT_TRUE(times[i].maybe_seen || !marked) << title;
    }
  }
}

class LinkCrash : public testing::Test {
 protected:
  LinkCrash() {
    WL_CHECK(server.start());
    token = server.add_device("door");
  }
  /// `promised` gets what the server promised.
  void push(int count) {
    for (int i = 0; i < count; ++i) {
      const std::string title = "push-" + std::to_string(++pushed);
      server::HttpPeer peer{server::Line(server.ports.http)};
      if (peer.push(server.admin_token(), server::push_json("door", title)).status == 201)
        promised.insert(title);
    }
  }

  server::ServerProcess server;
  std::string token;
  std::set<std::string> promised;
  int pushed = 0;
  base::Random random{7};
};

TEST_F(LinkCrash, EveryPushArrivesOverKillsOfTheAppAndNoneTwiceUnmarked) {
  PushApp app(server.ports.mqtts, token, server.ca_file());
  for (int round = 0; round < 12; ++round) {
    app.start();
    std::thread pusher([&] { push(5); });
    random_moment(random);
    pusher.join();
    random_moment(random);
    app.kill_now();
  }
  app.start();
  EXPECT_TRUE(eventually([&] { return app.has_all(promised); }));
  EXPECT_EQ(promised.size(), 60U);
  expect_each_once_in_a_life(app, true);
}

TEST_F(LinkCrash, EveryPromisedPushArrivesOnceOverKillsOfTheServer) {
  PushApp app(server.ports.mqtts, token, server.ca_file());
  app.start();
  push(1);
  ASSERT_TRUE(eventually([&] { return app.has_all(promised); }));
  for (int round = 0; round < 4; ++round) {
    std::thread pusher([&] { push(10); });
    random_moment(random);
    server.kill_now();
    pusher.join();
    ASSERT_TRUE(server.start());
  }
  push(1);
  EXPECT_TRUE(eventually([&] { return app.has_all(promised); }, seconds(100)));
  EXPECT_GE(promised.size(), 2U);
  expect_each_once_in_a_life(app, true);  // one life: the app was never killed
}

TEST_F(LinkCrash, EveryPromisedPushArrivesOverKillsOfBoth) {
  PushApp app(server.ports.mqtts, token, server.ca_file());
  for (int round = 0; round < 4; ++round) {
    app.start();
    std::thread pusher([&] { push(10); });
    random_moment(random);
    const bool app_first = random.chance(1, 2);
    if (app_first) app.kill_now();
    server.kill_now();
    pusher.join();
    if (!app_first) app.kill_now();
    ASSERT_TRUE(server.start());
  }
  app.start();
  push(1);
  EXPECT_TRUE(eventually([&] { return app.has_all(promised); }, seconds(100)));
  expect_each_once_in_a_life(app, false);  // a server that was killed forgot what it had sent
}

TEST(LinkCrashAtMosquitto, EveryPushArrivesOverKillsOfTheAppAndNoneTwiceUnmarked) {
  Mosquitto broker;
  ASSERT_TRUE(broker.start());
  PushApp app(broker.tls, "any", broker.ca_file());
  app.start();
  std::set<std::string> promised;
  base::Random random(7);
  // The session begins with the first subscription: only then the broker keeps anything.
  ASSERT_TRUE(eventually([&] {
    const std::string title = "hello-" + std::to_string(promised.size());
    if (!broker.publish("wakeline/inbox/door", R"({"title":")" + title + R"("})")) return false;
    return !app.log().empty();
  }));
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 4; ++i) {
      const std::string title = "push-" + std::to_string(promised.size());
      ASSERT_TRUE(broker.publish("wakeline/inbox/door", R"({"title":")" + title + R"("})"));
      promised.insert(title);
    }
    random_moment(random);
    app.kill_now();
    app.start();
  }
  EXPECT_TRUE(eventually([&] { return app.has_all(promised); }));
  std::map<std::string, int> count;
  for (const Given& given : app.log()) {
    if (given.title.starts_with("push-") && !given.maybe_seen) ++count[given.title];
  }
  for (const auto& [title, times] : count) EXPECT_EQ(times, 1) << title;
}

}  // namespace
}  // namespace wakeline::test
