// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "server_peers.h"
#include "server_process.h"
#include "wire/push.h"

namespace wakeline::server {
namespace {

namespace mqtt = wire::mqtt;
using mqtt::Reason;
using mqtt::Version;
using std::chrono::milliseconds;

class ServerMqtt : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server_.start());
    token_ = server_.add_device("door");
  }
  MqttPeer device(Version version = Version::k5) {
    return MqttPeer(Line(server_.ports.mqtt), version);
  }
  HttpPeer sender() { return HttpPeer(Line(server_.ports.http)); }
  unsigned push(const std::string& title, const std::string& device = "door") {
    return sender().push(server_.admin_token(), push_json(device, title)).status;
  }
  static std::string title_of(const mqtt::Publish& publish) {
    const auto content = wire::decode_push_content(publish.payload);
    return content ? content->title : "no content";
  }

  ServerProcess server_;
  std::string token_;
};

TEST_F(ServerMqtt, DeliversAPushOnceAndForgetsItWhenItIsAcknowledged) {
  MqttPeer door = device();
  ASSERT_EQ(door.log_in("door", token_), Reason::kSuccess);
  ASSERT_EQ(push("ring"), 201U);
  const auto publish = door.expect<mqtt::Publish>();
  ASSERT_TRUE(publish);
  EXPECT_EQ(publish->topic, "wakeline/inbox/door");
  EXPECT_EQ(publish->qos, mqtt::Qos::kAtLeastOnce);
  EXPECT_FALSE(publish->duplicate);
  EXPECT_EQ(publish->properties.user_value("seq"), "1");
  EXPECT_EQ(publish->properties.user_value("urgency"), "normal");
  EXPECT_GT(publish->properties.message_expiry_s, 2'419'000U);
  EXPECT_EQ(title_of(*publish), "ring");
  EXPECT_TRUE(door.acknowledge(*publish));
  ASSERT_TRUE(door.send(mqtt::Pingreq{}));
  EXPECT_TRUE(door.expect<mqtt::Pingresp>());  // the acknowledgement was read before it

  MqttPeer again = device();
  ASSERT_EQ(again.log_in("door", token_), Reason::kSuccess);
  ASSERT_EQ(push("second"), 201U);
  const auto next = again.expect<mqtt::Publish>();
  ASSERT_TRUE(next);
  EXPECT_EQ(title_of(*next), "second");
}

TEST_F(ServerMqtt, KeepsPushesForADeviceThatIsAwayAndDeliversThemInOrder) {
  for (int i = 1; i <= 100; ++i) ASSERT_EQ(push("push " + std::to_string(i)), 201U);
  MqttPeer door = device();
  ASSERT_EQ(door.log_in("door", token_), Reason::kSuccess);
  for (int i = 1; i <= 100; ++i) {
    const auto publish = door.expect<mqtt::Publish>();
    ASSERT_TRUE(publish) << i;
    EXPECT_EQ(title_of(*publish), "push " + std::to_string(i));
    ASSERT_TRUE(door.acknowledge(*publish));
  }
}

TEST_F(ServerMqtt, ServesOurOwnClientWithoutSubscribe) {
  ASSERT_EQ(push("ring"), 201U);
  MqttPeer door = device();
  auto connect = connect_packet("door", token_);
  connect.properties.user = {{"attempt", "1"}};
  ASSERT_TRUE(door.send(connect));
  const auto connack = door.expect<mqtt::Connack>();
  ASSERT_TRUE(connack);
  EXPECT_TRUE(connack->properties.user_value("spread"));
  ASSERT_TRUE(connack->properties.user_value("epoch"));
  ASSERT_TRUE(door.expect<mqtt::Publish>());

  // It comes back and says that its app has the push.
  MqttPeer again = device();
  connect.clean_start = false;
  connect.properties.user = {{"attempt", "2"},
                             {"epoch", std::string(*connack->properties.user_value("epoch"))},
                             {"received", "1"}};
  ASSERT_TRUE(again.send(connect));
  ASSERT_TRUE(again.expect<mqtt::Connack>());
  ASSERT_EQ(push("second"), 201U);
  const auto publish = again.expect<mqtt::Publish>();
  ASSERT_TRUE(publish);
  EXPECT_EQ(title_of(*publish), "second");
}

TEST_F(ServerMqtt, ResumesASessionWithWhatWasNotAcknowledged) {
  {
    MqttPeer door = device();
    ASSERT_EQ(door.log_in("door", token_), Reason::kSuccess);
    ASSERT_EQ(push("ring"), 201U);
    ASSERT_TRUE(door.expect<mqtt::Publish>());
  }
  MqttPeer door = device();
  ASSERT_TRUE(door.send(connect_packet("door", token_, false)));
  const auto connack = door.expect<mqtt::Connack>();
  ASSERT_TRUE(connack && connack->session_present);
  const auto publish = door.expect<mqtt::Publish>();
  ASSERT_TRUE(publish);
  EXPECT_TRUE(publish->duplicate);
  EXPECT_EQ(title_of(*publish), "ring");
}

TEST_F(ServerMqtt, ServesVersion311WithoutProperties) {
  MqttPeer door = device(Version::k311);
  ASSERT_EQ(door.log_in("door", token_), Reason::kSuccess);
  ASSERT_EQ(push("ring"), 201U);
  const auto publish = door.expect<mqtt::Publish>();
  ASSERT_TRUE(publish);
  EXPECT_EQ(publish->properties, mqtt::Properties{});
  EXPECT_EQ(title_of(*publish), "ring");
  EXPECT_TRUE(door.acknowledge(*publish));
  ASSERT_TRUE(door.send(mqtt::Pingreq{}));
  EXPECT_TRUE(door.expect<mqtt::Pingresp>());
  ASSERT_TRUE(door.send(mqtt::Disconnect{}));
  EXPECT_TRUE(door.line.ends());
}

TEST_F(ServerMqtt, ServesTlsWithACertificateThatNamesIt) {
  for (const char* name : {"localhost", "127.0.0.1"}) {
    MqttPeer door(Line(server_.ports.mqtts, server_.ca_file(), name));
    ASSERT_TRUE(door.line.ok()) << name;
    ASSERT_EQ(door.log_in("door", token_), Reason::kSuccess);
    ASSERT_EQ(push("ring"), 201U);
    const auto publish = door.expect<mqtt::Publish>();
    ASSERT_TRUE(publish);
    EXPECT_TRUE(door.acknowledge(*publish));
  }
  EXPECT_FALSE(Line(server_.ports.mqtts, server_.ca_file(), "example.org").ok());
}

TEST_F(ServerMqtt, TellsAWrongTokenAndAnUnknownDeviceTheSame) {
  for (const Version version : {Version::k5, Version::k311}) {
    std::vector<mqtt::Connack> answers;
    for (const auto& [name, token] : {std::pair<std::string, std::string>{"door", "wrong"},
                                      {"nobody", token_},
                                      {"", token_},
                                      {"../door", token_}}) {
      MqttPeer peer = device(version);
      auto connect = connect_packet(name, token);
      connect.version = version;
      if (version == Version::k311) connect.properties = {};
      connect.client_id = "door";
      ASSERT_TRUE(peer.send(connect));
      const auto connack = peer.expect<mqtt::Connack>();
      ASSERT_TRUE(connack) << name;
      answers.push_back(*connack);
      EXPECT_TRUE(peer.line.ends());
    }
    for (const mqtt::Connack& answer : answers) {
      EXPECT_EQ(answer.reason, Reason::kBadCredentials);
      EXPECT_EQ(answer, answers.front());
    }
  }
  MqttPeer peer = device();
  auto connect = connect_packet("door", token_);
  connect.user_name.reset();
  connect.password.reset();
  ASSERT_TRUE(peer.send(connect));
  EXPECT_EQ(peer.expect<mqtt::Connack>()->reason, Reason::kBadCredentials);
}

TEST_F(ServerMqtt, GivesTheDeviceToItsNewestConnection) {
  MqttPeer first = device();
  ASSERT_EQ(first.log_in("door", token_), Reason::kSuccess);
  MqttPeer second = device();
  ASSERT_EQ(second.log_in("door", token_), Reason::kSuccess);
  const auto disconnect = first.expect<mqtt::Disconnect>();
  ASSERT_TRUE(disconnect);
  EXPECT_EQ(disconnect->reason, Reason::kSessionTakenOver);
  EXPECT_TRUE(first.line.ends());
  ASSERT_EQ(push("ring"), 201U);
  EXPECT_TRUE(second.expect<mqtt::Publish>());
}

TEST_F(ServerMqtt, LetsADeviceThatFailsToLogInDisturbNobody) {
  MqttPeer first = device();
  ASSERT_EQ(first.log_in("door", token_), Reason::kSuccess);
  EXPECT_EQ(device().log_in("door", "wrong"), Reason::kBadCredentials);
  ASSERT_EQ(push("ring"), 201U);
  EXPECT_TRUE(first.expect<mqtt::Publish>());
}

TEST_F(ServerMqtt, SeesADeviceThatAnotherProcessAddsAndRemoves) {
  const std::string token = server_.add_device("window");
  MqttPeer window = device();
  ASSERT_EQ(window.log_in("window", token), Reason::kSuccess);
  ASSERT_TRUE(remove_device(server_.folder(), "window"));
  EXPECT_EQ(push("ring", "window"), 404U);
  EXPECT_EQ(device().log_in("window", token), Reason::kBadCredentials);
  const std::string other = server_.add_device("window");
  MqttPeer again = device();
  ASSERT_EQ(again.log_in("window", other, false), Reason::kSuccess);
  ASSERT_EQ(push("ring", "window"), 201U);
  EXPECT_TRUE(again.expect<mqtt::Publish>());
}

/// SUBSCRIBE with 257 filters of four bytes.
base::Bytes subscribe_to_too_many() {
  base::Bytes bytes{0x82, 0x87, 0x08, 0x00, 0x01, 0x00};
  for (int i = 0; i < 257; ++i) bytes.insert(bytes.end(), {0x00, 0x01, 'a', 0x00});
  return bytes;
}

TEST_F(ServerMqtt, ClosesOnBytesThatAreNoConnectAndSaysNothing) {
  const std::vector<base::Bytes> inputs = {
      subscribe_to_too_many(),
      {0x00},                                                             // no packet type
      {0x11, 0x00},                                                       // reserved flags
      {0xC0, 0x00},                                                       // PINGREQ before CONNECT
      {0x30, 0x03, 0x00, 0x01, 'a'},                                      // PUBLISH before CONNECT
      {0x10, 0xFF, 0xFF, 0xFF, 0xFF},                                     // a length of five bytes
      {0x10, 0xFF, 0xFF, 0xFF, 0x7F},                                     // 256 MB
      {0x10, 0x0C, 0x00, 0x04, 'M', 'Q', 'T', 'T', 5, 0x03, 0, 0, 0, 0},  // reserved bit
      {'P', 'U', 'T', ' ', '/'}};
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Line line(server_.ports.mqtt);
    ASSERT_TRUE(line.send(inputs[i]));
    base::Bytes answer;
    EXPECT_FALSE(line.receive(answer)) << "input " << i;
    EXPECT_TRUE(line.ends()) << "input " << i;
  }
  EXPECT_EQ(device().log_in("door", token_), Reason::kSuccess);
}

TEST_F(ServerMqtt, TellsAVersionThatItDoesNotServe) {
  for (const std::uint8_t level : {3, 6}) {
    Line line(server_.ports.mqtt);
    ASSERT_TRUE(
        line.send(base::Bytes{0x10, 0x0D, 0, 4, 'M', 'Q', 'T', 'T', level, 2, 0, 0, 0, 1, 'a'}));
    base::Bytes answer;
    ASSERT_TRUE(line.receive(answer));
    EXPECT_EQ(answer, (base::Bytes{0x20, 2, 0, 1}));
    EXPECT_TRUE(line.ends());
  }
}

TEST_F(ServerMqtt, EndsAMalformedOrOversizePacketWithItsReason) {
  // PUBLISH with QoS 0, topic "a", 17 user properties of 7 bytes, no payload.
  base::Bytes chatty{0x30, 0x7B, 0x00, 0x01, 'a', 0x77};
  for (int i = 0; i < 17; ++i)
    chatty.insert(chatty.end(), {0x26, 0x00, 0x01, 'a', 0x00, 0x01, 'b'});
  const struct {
    base::Bytes bytes;
    Reason reason;
  } rows[] = {
      {{0xC1, 0x00}, Reason::kMalformedPacket},
      {subscribe_to_too_many(), Reason::kQuotaExceeded},
      {chatty, Reason::kQuotaExceeded},
      // CONNECT of a version that is not served
      {{0x10, 0x0D, 0, 4, 'M', 'Q', 'T', 'T', 6, 2, 0, 0, 0, 1, 'a'}, Reason::kMalformedPacket},
      {{0x40, 0x02, 0x00, 0x00}, Reason::kMalformedPacket},  // PUBACK of packet id 0
      {{0x82, 0x02, 0x00, 0x01}, Reason::kMalformedPacket},  // SUBSCRIBE that is cut short
      {{0x30, 0xFF, 0xFF, 0x7F}, Reason::kPacketTooLarge}};
  for (const auto& row : rows) {
    MqttPeer door = device();
    ASSERT_EQ(door.log_in("door", token_), Reason::kSuccess);
    ASSERT_TRUE(door.line.send(row.bytes));
    const auto disconnect = door.expect<mqtt::Disconnect>();
    ASSERT_TRUE(disconnect);
    EXPECT_EQ(disconnect->reason, row.reason);
    EXPECT_TRUE(door.line.ends());
  }
}

TEST_F(ServerMqtt, ReadsPacketsThatComeByteByByteOrAllAtOnce) {
  base::Bytes bytes;
  ASSERT_TRUE(mqtt::encode(connect_packet("door", token_), Version::k5, bytes));
  MqttPeer slow = device();
  for (const std::uint8_t byte : bytes) ASSERT_TRUE(slow.line.send(base::Bytes{byte}));
  EXPECT_TRUE(slow.expect<mqtt::Connack>());

  for (int i = 0; i < 50; ++i) ASSERT_TRUE(mqtt::encode(mqtt::Pingreq{}, Version::k5, bytes));
  MqttPeer fast = device();
  ASSERT_TRUE(fast.line.send(bytes));
  EXPECT_TRUE(fast.expect<mqtt::Connack>());
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(fast.expect<mqtt::Pingresp>());
}

TEST_F(ServerMqtt, KeepsAPushThatIsLargerThanTheDeviceTakes) {
  {
    MqttPeer small = device();
    auto connect = connect_packet("door", token_);
    connect.properties.maximum_packet_size = 60;
    connect.properties.user = {{"attempt", "1"}};
    ASSERT_TRUE(small.send(connect));
    ASSERT_TRUE(small.expect<mqtt::Connack>());
    ASSERT_EQ(push("a title that makes the packet too large"), 201U);
    ASSERT_TRUE(small.send(mqtt::Pingreq{}));
    EXPECT_TRUE(small.expect<mqtt::Pingresp>());
  }
  MqttPeer door = device();
  ASSERT_EQ(door.log_in("door", token_), Reason::kSuccess);
  EXPECT_TRUE(door.expect<mqtt::Publish>());
}

TEST_F(ServerMqtt, SaysGoodbyeWhenItStopsAndKnowsEverythingWhenItIsBack) {
  MqttPeer door = device();
  ASSERT_EQ(door.log_in("door", token_), Reason::kSuccess);
  ASSERT_EQ(push("ring"), 201U);
  ASSERT_TRUE(door.expect<mqtt::Publish>());
  EXPECT_EQ(server_.terminate(), 0);
  const auto disconnect = door.expect<mqtt::Disconnect>();
  ASSERT_TRUE(disconnect);
  EXPECT_EQ(disconnect->reason, Reason::kAdministrativeAction);
  EXPECT_TRUE(disconnect->properties.user_value("drain"));
  EXPECT_TRUE(door.line.ends());

  ASSERT_TRUE(server_.start());
  MqttPeer again = device();
  ASSERT_EQ(again.log_in("door", token_, false), Reason::kSuccess);
  const auto publish = again.expect<mqtt::Publish>();
  ASSERT_TRUE(publish);
  EXPECT_EQ(title_of(*publish), "ring");
}

TEST(ServerMqttLimits, ClosesAConnectionThatDoesNotConnectInTime) {
  ServerProcess server({"connect_ms=300"});
  ASSERT_TRUE(server.start());
  Line silent(server.ports.mqtt);
  Line no_handshake(server.ports.mqtts);
  Line half(server.ports.mqtt);
  ASSERT_TRUE(half.send(base::Bytes{0x10, 0x20, 0x00}));
  EXPECT_TRUE(silent.ends(milliseconds(5'000)));
  EXPECT_TRUE(no_handshake.ends(milliseconds(5'000)));
  EXPECT_TRUE(half.ends(milliseconds(5'000)));
}

/// How often its threads have waited for something.
std::uint64_t waits_of(pid_t pid) {
  std::uint64_t sum = 0;
  for (const auto& task :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    std::ifstream status(task.path() / "status");
    const std::string key = "voluntary_ctxt_switches:";
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with(key)) sum += std::stoull(line.substr(key.size()));
    }
  }
  return sum;
}

TEST(ServerMqttLimits, IsNotWokenByTheLoginTimesOfDevicesThatGotInAndSleep) {
  constexpr int kDevices = 200;
  ServerProcess server({"connect_ms=2000"});
  ASSERT_TRUE(server.start());
  std::vector<MqttPeer> devices;
  for (int i = 0; i < kDevices; ++i) {
    const std::string name = "sleeper" + std::to_string(i);
    const std::string its_token = server.add_device(name);
    devices.emplace_back(Line(server.ports.mqtt));
    ASSERT_EQ(devices.back().log_in(name, its_token), Reason::kSuccess);
  }
  // One that never says who it is sees the end of all those times.
  Line silent(server.ports.mqtt);
  const std::uint64_t before = waits_of(server.pid());
  EXPECT_TRUE(silent.ends());
  EXPECT_LT(waits_of(server.pid()) - before, kDevices / 10U);
}

TEST(ServerMqttLimits, ClosesADeviceThatIsSilentForOneAndAHalfKeepAlives) {
  ServerProcess server;
  ASSERT_TRUE(server.start());
  MqttPeer door{Line(server.ports.mqtt)};
  auto connect = connect_packet("door", server.add_device("door"));
  connect.keep_alive_s = 1;
  ASSERT_TRUE(door.send(connect));
  ASSERT_TRUE(door.expect<mqtt::Connack>());
  const auto disconnect = door.expect<mqtt::Disconnect>(milliseconds(5'000));
  ASSERT_TRUE(disconnect);
  EXPECT_EQ(disconnect->reason, Reason::kKeepAliveTimeout);
}

TEST(ServerMqttLimits, TakesNoMoreConnectionsThanItMay) {
  ServerProcess server({"connections=2"});
  ASSERT_TRUE(server.start());
  const std::string token = server.add_device("door");
  MqttPeer first{Line(server.ports.mqtt)};
  ASSERT_EQ(first.log_in("door", token), Reason::kSuccess);
  // Two shards may take two lines in either order: the second is in before the third comes.
  MqttPeer second{Line(server.ports.mqtt)};
  ASSERT_EQ(second.log_in("window", server.add_device("window")), Reason::kSuccess);
  Line third(server.ports.mqtt);
  EXPECT_TRUE(third.ends());
  ASSERT_TRUE(first.send(mqtt::Pingreq{}));
  EXPECT_TRUE(first.expect<mqtt::Pingresp>());
}

}  // namespace
}  // namespace wakeline::server
