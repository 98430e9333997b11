// SPDX-License-Identifier: Apache-2.0
// The second flow with which a client finds out how long a NAT keeps an idle line.
#include "link_fixture.h"

namespace wakeline::test {
namespace {

namespace mqtt = wire::mqtt;

class LinkProbes : public testing::Test {
 protected:
  LinkProbes() {
    WL_CHECK(server.start());
    token = server.add_device("door");
  }
  mqtt::Connect probe_packet() const {
    mqtt::Connect connect;
    connect.clean_start = true;
    connect.user_name = "door";
    connect.password.emplace(token.begin(), token.end());
    connect.properties.user = {{"probe", "1"}};
    return connect;
  }
  server::MqttPeer dial() const {
    return server::MqttPeer{server::Line(server.ports.mqtts, server.ca_file())};
  }

  /// With one shard, so that it knows of all of them.
  server::ServerProcess server{{"shards=1"}};
  std::string token;
};

TEST_F(LinkProbes, AreAnsweredAndLeaveTheSessionOfTheirDeviceAlone) {
  auto device = dial();
  ASSERT_TRUE(device.send(server::connect_packet("door", token)));
  const auto welcome = device.expect<mqtt::Connack>();
  ASSERT_TRUE(welcome);
  EXPECT_EQ(welcome->properties.user_value("probe"), "1");

  auto probe = dial();
  ASSERT_TRUE(probe.send(probe_packet()));
  const auto connack = probe.expect<mqtt::Connack>();
  ASSERT_TRUE(connack);
  EXPECT_EQ(connack->reason, mqtt::Reason::kSuccess);
  for (auto* peer : {&probe, &device}) {
    ASSERT_TRUE(peer->send(mqtt::Pingreq{}));
    EXPECT_TRUE(peer->expect<mqtt::Pingresp>());
  }
}

TEST_F(LinkProbes, NeedTheTokenAndAreOneADevice) {
  auto stranger = dial();
  auto packet = probe_packet();
  packet.password->push_back('x');
  ASSERT_TRUE(stranger.send(packet));
  const auto refused = stranger.expect<mqtt::Connack>();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->reason, mqtt::Reason::kBadCredentials);

  std::vector<server::MqttPeer> probes;
  for (int i = 0; i < 3; ++i) {
    probes.push_back(dial());
    ASSERT_TRUE(probes.back().send(probe_packet()));
    ASSERT_TRUE(probes.back().expect<mqtt::Connack>());
  }
  EXPECT_TRUE(probes.front().line.ends()) << "a later one took its place";
  ASSERT_TRUE(probes.back().send(mqtt::Pingreq{}));
  EXPECT_TRUE(probes.back().expect<mqtt::Pingresp>());
}

TEST_F(LinkProbes, EndWhenTheySayAnythingElse) {
  auto probe = dial();
  ASSERT_TRUE(probe.send(probe_packet()));
  ASSERT_TRUE(probe.expect<mqtt::Connack>());
  mqtt::Subscribe subscribe;
  subscribe.packet_id = 1;
  subscribe.topics.emplace_back();
  subscribe.topics.back().filter = "wakeline/inbox/door";
  ASSERT_TRUE(probe.send(subscribe));
  EXPECT_TRUE(probe.line.ends());
}

}  // namespace
}  // namespace wakeline::test
