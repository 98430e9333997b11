// SPDX-License-Identifier: Apache-2.0
// Kills of the app and of the server while the app sends: nothing promised is lost, and our server
// has each message once.
#include <map>

#include "link_push_app.h"
#include "link_reports.h"

namespace wakeline::test {
namespace {

constexpr int kReplies = 12;

void expect_each_once(const PushApp& app, const std::map<std::string, int>& bodies) {
  const auto promised = app.keys("promised");
  EXPECT_FALSE(promised.empty());
  for (const std::string& key : promised) EXPECT_TRUE(bodies.contains(key)) << key << " is lost";
  for (const auto& [key, times] : bodies) EXPECT_EQ(times, 1) << key;
}

/// Whether the app has sent all in this life, and was told what became of all that it ever sent.
bool is_done(const PushApp& app) {
  const std::string life = std::to_string(app.pid()) + "-";
  const auto sent = app.keys("sent");
  int of_this_life = 0;
  for (const std::string& key : app.keys("promised")) {
    if (!sent.contains(key)) return false;
    if (key.starts_with(life)) ++of_this_life;
  }
  return of_this_life == kReplies;
}

TEST(LinkOutboxCrash, NoReplyIsLostOrDoubledOverKillsOfTheApp) {
  server::ServerProcess server;
  ASSERT_TRUE(server.start());
  PushApp app(server.ports.mqtts, server.add_device("door"), server.ca_file(), kReplies);
  base::Random random{11};
  for (int round = 0; round < 10; ++round) {
    app.start();
    random_moment(random);
    app.kill_now();
  }
  app.start();
  EXPECT_TRUE(eventually([&] { return is_done(app); }));
  expect_each_once(app, reported_bodies(server));
}

TEST(LinkOutboxCrash, NoReplyIsLostOrDoubledOverKillsOfBothInAnyOrder) {
  server::ServerProcess server;
  ASSERT_TRUE(server.start());
  PushApp app(server.ports.mqtts, server.add_device("door"), server.ca_file(), kReplies);
  base::Random random{12};
  for (int round = 0; round < 5; ++round) {
    app.start();
    random_moment(random);
    if (random.chance(1, 2)) {
      server.kill_now();
      random_moment(random);
      app.kill_now();
    } else {
      app.kill_now();
      server.kill_now();
    }
    ASSERT_TRUE(server.start());
  }
  app.start();
  EXPECT_TRUE(eventually([&] { return is_done(app); }, seconds(100)));
  expect_each_once(app, reported_bodies(server));
}

TEST(LinkOutboxCrash, AMosquittoGetsEveryReplyAtLeastOnceOverKillsOfTheApp) {
  Mosquitto broker;
  ASSERT_TRUE(broker.start());
  server::MqttPeer listener{server::Line(broker.plain)};
  namespace mqtt = wire::mqtt;
  ASSERT_TRUE(listener.send(mqtt::Connect{.client_id = "app-server"}));
  ASSERT_TRUE(listener.expect<mqtt::Connack>());
  ASSERT_TRUE(listener.send(mqtt::Subscribe{
      .packet_id = 1,
      .topics = {{.filter = "wakeline/reply/door", .qos = mqtt::Qos::kAtLeastOnce}}}));
  ASSERT_TRUE(listener.expect<mqtt::Suback>());
  std::map<std::string, int> bodies;
  const auto read = [&] {
    while (const auto publish = listener.expect<mqtt::Publish>(milliseconds(50))) {
      ++bodies[std::string(base::as_text(publish->payload))];
      // The key travels along, so that an app server can tell a repetition.
      EXPECT_EQ(publish->properties.user_value("key"), base::as_text(publish->payload));
      EXPECT_TRUE(listener.acknowledge(*publish));
    }
  };
  PushApp app(broker.tls, "any", broker.ca_file(), kReplies);
  base::Random random{13};
  for (int round = 0; round < 6; ++round) {
    app.start();
    random_moment(random);
    app.kill_now();
    read();
  }
  app.start();
  EXPECT_TRUE(eventually([&] { return is_done(app); }));
  EXPECT_TRUE(eventually([&] {
    read();
    for (const std::string& key : app.keys("promised"))
      if (!bodies.contains(key)) return false;
    return true;
  }));
}

}  // namespace
}  // namespace wakeline::test
