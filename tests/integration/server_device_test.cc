// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <thread>

#include "server_peers.h"
#include "server_process.h"
#include "server_websocket_peer.h"
#include "store/registry.h"
#include "store/store_testing.h"
#include "wire/push.h"

/// What devices do beyond their inbox: groups, reports, wills, WebSocket; and peers that mean harm.
namespace wakeline::server {
namespace {

namespace mqtt = wire::mqtt;
using mqtt::Reason;
using mqtt::Version;
using std::chrono::milliseconds;
using store::Sequence;

class ServerDevice : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server_.start());
    token_ = server_.add_device("door");
  }
  MqttPeer device(Version version = Version::k5) {
    return MqttPeer(Line(server_.ports.mqtt), version);
  }
  unsigned push(const std::string& json) {
    return HttpPeer(Line(server_.ports.http)).push(server_.admin_token(), json).status;
  }
  store::Registry registry() const {
    auto registry =
        store::Registry::open(server_.folder() + "/store.db", store::Database::Mode::kWrite);
    WL_CHECK(registry.has_value());
    return std::move(*registry);
  }
  std::string reports() {
    return HttpPeer(Line(server_.ports.http))
        .ask("GET /v1/reports HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " +
             server_.admin_token() + "\r\n\r\n")
        .body;
  }
  /// Whether the reports say so within a while.
  bool reported(const std::string& text) {
    for (int i = 0; i < 200; ++i) {
      if (reports().find(text) != std::string::npos) return true;
      std::this_thread::sleep_for(milliseconds(50));
    }
    return false;
  }

  ServerProcess server_;
  std::string token_;
};

TEST_F(ServerDevice, IsRefusedByAGroupThatIsFull) {
  ASSERT_TRUE(registry().permit_group("door", "family", true));
  auto database =
      store::Database::open(server_.folder() + "/store.db", store::Database::Mode::kBeside);
  ASSERT_TRUE(database);
  store::fill_group(*database, "family");
  for (const Version version : {Version::k5, Version::k311}) {
    MqttPeer door = device(version);
    ASSERT_EQ(door.log_in("door", token_), Reason::kSuccess);
    ASSERT_TRUE(door.send(mqtt::Subscribe{
        .packet_id = 2,
        .topics = {{.filter = "wakeline/group/family", .qos = mqtt::Qos::kAtLeastOnce}}}));
    const auto suback = door.expect<mqtt::Suback>();
    ASSERT_TRUE(suback);
    EXPECT_EQ(suback->reasons, (std::vector{version == Version::k5 ? Reason::kQuotaExceeded
                                                                   : Reason::kUnspecified}));
  }
}

TEST_F(ServerDevice, JoinsAGroupAndGetsItsPushesUnderTheGroupsTopic) {
  ASSERT_TRUE(registry().permit_group("door", "family", true));
  MqttPeer door = device();
  ASSERT_EQ(door.log_in("door", token_), Reason::kSuccess);
  ASSERT_TRUE(door.send(mqtt::Subscribe{
      .packet_id = 2,
      .topics = {{.filter = "wakeline/group/family", .qos = mqtt::Qos::kAtLeastOnce},
                 {.filter = "wakeline/group/strangers"}}}));
  const auto suback = door.expect<mqtt::Suback>();
  ASSERT_TRUE(suback);
  EXPECT_EQ(suback->reasons, (std::vector{Reason::kGrantedQos1, Reason::kNotAuthorized}));
  ASSERT_EQ(push(R"({"group":"family","title":"dinner"})"), 201U);
  const auto publish = door.expect<mqtt::Publish>();
  ASSERT_TRUE(publish);
  EXPECT_EQ(publish->topic, "wakeline/group/family");
  ASSERT_TRUE(door.acknowledge(*publish));
  ASSERT_TRUE(
      door.send(mqtt::Unsubscribe{.packet_id = 3, .filters = {"wakeline/group/family", "a"}}));
  const auto unsuback = door.expect<mqtt::Unsuback>();
  ASSERT_TRUE(unsuback);
  EXPECT_EQ(unsuback->reasons, (std::vector{Reason::kSuccess, Reason::kNoSubscriptionExisted}));
}

TEST_F(ServerDevice, ThatConnectsAgainHearsNothingOfWhatItAskedForBefore) {
  ASSERT_TRUE(registry().permit_group("door", "family", true));
  for (int round = 0; round < 5; ++round) {
    const auto ask = [](const std::string& group) {
      return mqtt::Subscribe{
          .packet_id = 7,
          .topics = {{.filter = "wakeline/group/" + group, .qos = mqtt::Qos::kAtLeastOnce}}};
    };
    MqttPeer first = device();
    ASSERT_TRUE(first.send(connect_packet("door", token_)));
    ASSERT_TRUE(first.expect<mqtt::Connack>());
    MqttPeer second = device();
    ASSERT_TRUE(first.send(ask("family")));  // the answer waits for the disk
    ASSERT_TRUE(second.send(connect_packet("door", token_)));
    ASSERT_TRUE(second.send(ask("strangers")));
    ASSERT_TRUE(second.expect<mqtt::Connack>());
    const auto suback = second.expect<mqtt::Suback>();
    ASSERT_TRUE(suback);
    EXPECT_EQ(suback->reasons, std::vector{Reason::kNotAuthorized});
    // Its CONNECT was a clean start, which leaves every group.
    ASSERT_TRUE(
        second.send(mqtt::Unsubscribe{.packet_id = 8, .filters = {"wakeline/group/family"}}));
    const auto unsuback = second.expect<mqtt::Unsuback>();
    ASSERT_TRUE(unsuback);
    EXPECT_EQ(unsuback->reasons, std::vector{Reason::kNoSubscriptionExisted});
  }
}

TEST_F(ServerDevice, MayProbeOverAWebSocket) {
  WebSocketPeer probe{Line(server_.ports.mqtt)};
  ASSERT_NE(probe.open().find("101"), std::string::npos);
  auto connect = connect_packet("door", token_);
  connect.properties.user = {{"probe", "1"}};
  ASSERT_TRUE(probe.send(mqtt::Packet(connect)));
  ASSERT_TRUE(probe.expect<mqtt::Connack>());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(probe.send(mqtt::Packet(mqtt::Pingreq{})));
    EXPECT_TRUE(probe.expect<mqtt::Pingresp>());
  }
  ASSERT_TRUE(probe.send(base::as_bytes("?"), WebSocketPeer::Opcode::kPing));
  const auto pong = probe.receive();
  ASSERT_TRUE(pong);
  EXPECT_EQ(pong->opcode, WebSocketPeer::Opcode::kPong);
  ASSERT_TRUE(probe.send(mqtt::Packet(mqtt::Subscribe{.packet_id = 1, .topics = {{"a"}}})));
  EXPECT_TRUE(probe.line.ends());
}

TEST(ServerStranger, HasTheServerKeepNoMoreThanAConnect) {
  ServerProcess server{{"connect_ms=60000"}};
  ASSERT_TRUE(server.start());
  WebSocketPeer stranger{Line(server.ports.mqtt)};
  ASSERT_NE(stranger.open().find("101"), std::string::npos);
  base::Bytes frame;
  wire::websocket::encode_masked(WebSocketPeer::Opcode::kBinary, base::Bytes(mqtt::kConnectMax + 1),
                                 {1, 2, 3, 4}, frame);
  ASSERT_TRUE(stranger.line.send(base::BytesView(frame).first(100)));
  EXPECT_TRUE(stranger.line.ends());
}

TEST_F(ServerDevice, ThatTakesSmallPacketsIsRefusedInOne) {
  auto small = connect_packet("door", "wrong");
  small.properties.maximum_packet_size = 20;
  for (int i = 0; i < 40; ++i) {  // in the end it is told to wait, and for how long
    MqttPeer door = device();
    ASSERT_TRUE(door.send(small));
    const auto answer = door.expect<mqtt::Connack>();
    ASSERT_TRUE(answer);
    EXPECT_TRUE(answer->properties.user.empty());
    if (answer->reason == Reason::kConnectionRateExceeded) return;
  }
  ADD_FAILURE() << "never kept out";
}

TEST_F(ServerDevice, AcknowledgesAReportThatIsDurable) {
  MqttPeer door = device();
  ASSERT_EQ(door.log_in("door", token_), Reason::kSuccess);
  ASSERT_TRUE(door.send(mqtt::Publish{.topic = "wakeline/reply/door",
                                      .payload = {'y', 'e', 's'},
                                      .qos = mqtt::Qos::kAtLeastOnce,
                                      .packet_id = 9}));
  const auto ack = door.expect<mqtt::Ack>();
  ASSERT_TRUE(ack);
  EXPECT_EQ(*ack, (mqtt::Ack{.packet_id = 9}));
  server_.kill_now();
  ASSERT_TRUE(server_.start());
  EXPECT_NE(reports().find("\"reply\""), std::string::npos) << reports();
}

TEST_F(ServerDevice, TellsItsWillWhenItsLineBreaksAndNotAfterAnOrderlyEnd) {
  auto connect = connect_packet("door", token_);
  connect.will = mqtt::Will{.topic = "wakeline/presence/door", .payload = {'x'}};
  {
    MqttPeer door = device();
    ASSERT_TRUE(door.send(connect));
    ASSERT_TRUE(door.expect<mqtt::Connack>());
    ASSERT_TRUE(door.send(mqtt::Disconnect{}));
    EXPECT_TRUE(door.line.ends());
  }
  {
    MqttPeer door = device();
    ASSERT_TRUE(door.send(connect));
    ASSERT_TRUE(door.expect<mqtt::Connack>());
  }
  EXPECT_TRUE(reported("\"presence\""));
  const std::string all = reports();
  EXPECT_EQ(all.find("\"presence\""), all.rfind("\"presence\"")) << all;
}

TEST_F(ServerDevice, ThatAskedForQuietGetsUrgentPushesAloneAndTheOthersLater) {
  const auto push_of = [&](const std::string& urgency) {
    return push(R"({"device":"door","title":")" + urgency + R"(","urgency":")" + urgency + "\"}");
  };
  const auto title_of = [](const std::optional<mqtt::Publish>& publish) {
    const auto content =
        publish ? wire::decode_push_content(publish->payload) : base::fail(base::Error{});
    return content ? content->title : "none";
  };
  MqttPeer door = device();
  ASSERT_EQ(door.log_in("door", token_, false), Reason::kSuccess);
  ASSERT_EQ(push_of("low"), 201U);
  const auto before = door.expect<mqtt::Publish>();
  ASSERT_EQ(title_of(before), "low");
  mqtt::Subscribe quiet{
      .packet_id = 5,
      .topics = {{.filter = "wakeline/inbox/door", .qos = mqtt::Qos::kAtLeastOnce}}};
  quiet.properties.user = {{"urgency", "high"}};
  ASSERT_TRUE(door.send(quiet));
  ASSERT_TRUE(door.expect<mqtt::Suback>());
  // Whoever is told 201 after the SUBACK may rely on it only when that is durable: an urgent push
  // goes through the same queue.
  ASSERT_EQ(push_of("high"), 201U);
  const auto first = door.expect<mqtt::Publish>();
  ASSERT_EQ(title_of(first), "high");
  ASSERT_EQ(push_of("normal"), 201U);
  ASSERT_EQ(push_of("very-low"), 201U);
  ASSERT_EQ(push_of("high"), 201U);
  const auto second = door.expect<mqtt::Publish>();
  ASSERT_EQ(title_of(second), "high");
  for (const auto* got : {&*before, &*first, &*second}) ASSERT_TRUE(door.acknowledge(*got));
  // Quiet outlives the connection, and the server.
  server_.kill_now();
  ASSERT_TRUE(server_.start());
  auto connect = connect_packet("door", token_, false);
  connect.properties.user = {{"attempt", "1"}};
  MqttPeer again = device();
  ASSERT_TRUE(again.send(connect));
  ASSERT_TRUE(again.expect<mqtt::Connack>());
  ASSERT_EQ(push_of("high"), 201U);
  // Those that were not acknowledged for sure before the kill may come once more, urgent all.
  std::optional<mqtt::Publish> last;
  Sequence number = 0;
  do {
    last = again.expect<mqtt::Publish>();
    ASSERT_TRUE(last);
    const std::string title = title_of(last);
    ASSERT_TRUE(title == "high" || title == "low") << title;
    number = std::stoull(std::string(last->properties.user_value("seq").value_or("0")));
    ASSERT_TRUE(again.acknowledge(*last));
  } while (number < 6);
  ASSERT_TRUE(again.send(mqtt::Pingreq{}));
  ASSERT_TRUE(again.expect<mqtt::Pingresp>());  // it has read the acknowledgements
  connect.properties.user = {{"attempt", "2"}, {"urgency", "very-low"}};
  MqttPeer loud = device();
  ASSERT_TRUE(loud.send(connect));
  ASSERT_TRUE(loud.expect<mqtt::Connack>());
  std::vector<std::string> titles;
  std::vector<Sequence> numbers;
  for (int i = 0; i < 2; ++i) {
    const auto publish = loud.expect<mqtt::Publish>();
    titles.push_back(title_of(publish));
    ASSERT_TRUE(publish);
    numbers.push_back(
        std::stoull(std::string(publish->properties.user_value("seq").value_or("0"))));
    ASSERT_TRUE(loud.acknowledge(*publish));
  }
  EXPECT_EQ(titles, (std::vector<std::string>{"normal", "very-low"}));
  EXPECT_EQ(numbers, (std::vector<Sequence>{7, 8}));
}

TEST_F(ServerDevice, Mqtt_6_0_0_2_And_4_IsServedOverAWebSocketInPiecesOfAnySize) {
  WebSocketPeer door{Line(server_.ports.mqtt)};
  const std::string opened = door.open();
  EXPECT_TRUE(opened.starts_with("HTTP/1.1 101 "));
  EXPECT_NE(opened.find("\r\nSec-WebSocket-Protocol: mqtt"), std::string::npos) << opened;
  auto connect = connect_packet("door", token_);
  connect.properties.user = {{"attempt", "1"}};
  base::Bytes bytes;
  ASSERT_TRUE(mqtt::encode(connect, Version::k5, bytes));
  ASSERT_TRUE(mqtt::encode(mqtt::Pingreq{}, Version::k5, bytes));
  for (const std::uint8_t byte : bytes) ASSERT_TRUE(door.send(base::Bytes{byte}));
  ASSERT_TRUE(door.expect<mqtt::Connack>());
  ASSERT_TRUE(door.expect<mqtt::Pingresp>());
  ASSERT_TRUE(door.send(base::as_bytes("are you there"), WebSocketPeer::Opcode::kPing));
  const auto pong = door.receive();
  ASSERT_TRUE(pong);
  EXPECT_EQ(pong->opcode, WebSocketPeer::Opcode::kPong);
  EXPECT_EQ(base::as_text(pong->payload), "are you there");
  ASSERT_EQ(push(push_json("door", "ring")), 201U);
  const auto publish = door.expect<mqtt::Publish>();
  ASSERT_TRUE(publish);
  ASSERT_TRUE(door.send(mqtt::Packet(mqtt::Ack{.packet_id = publish->packet_id})));
  ASSERT_TRUE(door.send(mqtt::Packet(mqtt::Disconnect{})));
  const auto close = door.receive();
  ASSERT_TRUE(close);
  EXPECT_EQ(close->opcode, WebSocketPeer::Opcode::kClose);
  EXPECT_TRUE(door.line.ends());
}

TEST_F(ServerDevice, IsServedOverAWebSocketWithTls) {
  WebSocketPeer door{Line(server_.ports.mqtts, server_.ca_file())};
  EXPECT_TRUE(door.open().starts_with("HTTP/1.1 101 "));
  ASSERT_TRUE(door.send(mqtt::Packet(connect_packet("door", token_))));
  EXPECT_TRUE(door.expect<mqtt::Connack>());
}

TEST_F(ServerDevice, Mqtt_6_0_0_1_And_3_RefusesAWebSocketThatIsNotForMqtt) {
  Line other(server_.ports.mqtt);
  ASSERT_TRUE(other.send(websocket_request("chat")));
  base::Bytes answer;
  ASSERT_TRUE(other.receive(answer));
  EXPECT_TRUE(base::as_text(answer).starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(other.ends());
  WebSocketPeer text{Line(server_.ports.mqtt)};
  text.open();
  ASSERT_TRUE(text.send(base::as_bytes("hello"), WebSocketPeer::Opcode::kText));
  EXPECT_TRUE(text.line.ends());
  WebSocketPeer unmasked{Line(server_.ports.mqtt)};
  unmasked.open();
  ASSERT_TRUE(unmasked.line.send(base::Bytes{0x82, 0x00}));
  EXPECT_TRUE(unmasked.line.ends());
}

TEST_F(ServerDevice, RefusesAnAttemptThatComesLate) {
  MqttPeer first = device();
  auto connect = connect_packet("door", token_, false);
  ASSERT_TRUE(first.send(connect));
  const auto connack = first.expect<mqtt::Connack>();
  ASSERT_TRUE(connack);
  const std::string epoch(connack->properties.user_value("epoch").value_or(""));
  connect.properties.user = {{"attempt", "7"}, {"epoch", epoch}};
  MqttPeer newest = device();
  ASSERT_TRUE(newest.send(connect));
  ASSERT_TRUE(newest.expect<mqtt::Connack>());
  connect.properties.user = {{"attempt", "6"}, {"epoch", epoch}};
  MqttPeer late = device();
  ASSERT_TRUE(late.send(connect));
  const auto refused = late.expect<mqtt::Connack>();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->reason, Reason::kImplementationSpecific);
  EXPECT_EQ(refused->properties.user_value("attempt"), "7");
  EXPECT_TRUE(late.line.ends());
  ASSERT_TRUE(newest.send(mqtt::Pingreq{}));
  EXPECT_TRUE(newest.expect<mqtt::Pingresp>());
}

TEST_F(ServerDevice, IsNotHarmedByPeersThatSendBitsAndPieces) {
  std::vector<Line> lines;
  for (int i = 0; i < 50; ++i) {
    lines.emplace_back(server_.ports.mqtt);
    Line& line = lines.back();
    switch (i % 5) {
      case 0:
        line.send(base::Bytes{0x10});
        break;
      case 1:
        line.send("GET /mqtt HTTP/1.1\r\nHost:");
        break;
      case 2:
        line.send(websocket_request());
        line.send(base::Bytes{0x82, 0xFE, 0xFF});
        break;
      case 3:
        line.send(std::string(5'000, 'G'));
        break;
      default:
        break;
    }
  }
  lines.erase(lines.begin() + 25, lines.end());
  MqttPeer door = device();
  ASSERT_EQ(door.log_in("door", token_), Reason::kSuccess);
  ASSERT_EQ(push(push_json("door", "ring")), 201U);
  EXPECT_TRUE(door.expect<mqtt::Publish>());
}

TEST_F(ServerDevice, ThatReadsNothingIsClosedAndLosesNoPush) {
  const std::string body(4'000, 'x');
  MqttPeer deaf = device();
  auto connect = connect_packet("door", token_);
  connect.properties.receive_maximum = 60'000;
  connect.properties.user = {{"attempt", "1"}};
  ASSERT_TRUE(deaf.send(connect));
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(push(R"({"device":"door","data":")" + body + "\"}"), 201U);
  }
  MqttPeer door = device();
  ASSERT_EQ(door.log_in("door", token_), Reason::kSuccess);
  for (int i = 0; i < 100; ++i) {
    const auto publish = door.expect<mqtt::Publish>();
    ASSERT_TRUE(publish) << i;
    ASSERT_TRUE(door.acknowledge(*publish));
  }
}

TEST(ServerDeviceLimits, TakesSoManyUnknownPeersOfOneAddressAlone) {
  // Of all shards together: so many at once that each of them accepts some.
  ServerProcess server({"arriving_per_address=3", "shards=4", "connect_ms=60000"});
  ASSERT_TRUE(server.start());
  const std::string token = server.add_device("door");
  MqttPeer known{Line(server.ports.mqtt)};
  ASSERT_EQ(known.log_in("door", token), Reason::kSuccess);  // counts no more
  std::vector<Line> lines;
  for (int i = 0; i < 200; ++i) lines.emplace_back(server.ports.mqtt);
  // Those that may not stay are closed when they are accepted: all but three.
  while (lines.size() > 3) {
    std::vector<pollfd> polls;
    for (const Line& line : lines) polls.push_back({line.fd(), POLLIN, 0});
    ASSERT_GT(::poll(polls.data(), polls.size(), 10'000), 0) << lines.size();
    for (std::size_t i = lines.size(); i-- > 0;) {
      if (polls[i].revents == 0) continue;
      ASSERT_TRUE(lines[i].ends());
      lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  EXPECT_EQ(lines.size(), 3U);
  ASSERT_TRUE(known.send(mqtt::Pingreq{}));
  EXPECT_TRUE(known.expect<mqtt::Pingresp>());
}

}  // namespace
}  // namespace wakeline::server
