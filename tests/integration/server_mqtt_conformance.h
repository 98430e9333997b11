// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server_peers.h"
#include "server_process.h"

/// The normative statements of MQTT 5.0 that a server which is no general broker has to keep, each
/// against the real server; a test names those it shows. Statements on what we refuse in CONNACK
/// (QoS 2, retained messages, shared subscriptions, subscription identifiers) are shown by the
/// refusal. Statements on the codec alone are shown in src/wire.
namespace wakeline::server {

namespace mqtt = wire::mqtt;
using base::Bytes;
using mqtt::Qos;
using mqtt::Reason;
using mqtt::Version;
using std::chrono::milliseconds;

class MqttConformance : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server_.start());
    token_ = server_.add_device("door");
  }
  Line line() { return Line(server_.ports.mqtt); }
  MqttPeer peer(Version version = Version::k5) { return MqttPeer(line(), version); }
  mqtt::Connect connect(bool clean = true) { return connect_packet("door", token_, clean); }
  /// A device that is connected with this packet.
  MqttPeer connected(const mqtt::Connect& packet) {
    MqttPeer made = peer(packet.version);
    EXPECT_TRUE(made.send(packet));
    const auto answer = made.expect<mqtt::Connack>();
    EXPECT_TRUE(answer && answer->reason == Reason::kSuccess);
    return made;
  }
  MqttPeer connected() { return connected(connect()); }
  /// The reason with which the server ends a connection on which `packet` came.
  std::optional<Reason> end_of(const mqtt::Packet& packet) {
    MqttPeer door = connected();
    EXPECT_TRUE(door.send(packet));
    return end_of(door);
  }
  std::optional<Reason> end_of_bytes(const Bytes& bytes) {
    MqttPeer door = connected();
    EXPECT_TRUE(door.line.send(bytes));
    return end_of(door);
  }
  std::optional<Reason> end_of(MqttPeer& door) {
    const auto disconnect = door.expect<mqtt::Disconnect>();
    EXPECT_TRUE(door.line.ends());
    if (!disconnect) return std::nullopt;
    return disconnect->reason;
  }
  /// Whether the server closes without a word.
  bool ends_silently(const Bytes& bytes) {
    Line raw = line();
    raw.send(bytes);
    Bytes answer;
    return !raw.receive(answer) && raw.ends();
  }
  Bytes bytes_of(const mqtt::Packet& packet, Version version = Version::k5) {
    Bytes bytes;
    EXPECT_TRUE(mqtt::encode(packet, version, bytes));
    return bytes;
  }
  unsigned push(const std::string& title) {
    return HttpPeer(line_http()).push(server_.admin_token(), push_json("door", title)).status;
  }
  Line line_http() { return Line(server_.ports.http); }
  unsigned push_to_group(const std::string& group, const std::string& title) {
    return HttpPeer(line_http())
        .push(server_.admin_token(), R"({"group":")" + group + R"(","title":")" + title + R"("})")
        .status;
  }
  /// What devices have published, as an app server is told.
  std::string reports_text() {
    return HttpPeer(line_http())
        .ask(request_text("GET", "/v1/reports", "Bearer " + server_.admin_token(), ""))
        .body;
  }
  std::size_t reports() {
    const std::string text = reports_text();
    std::size_t count = 0;
    for (auto at = text.find("\"id\""); at != std::string::npos; at = text.find("\"id\"", at + 1))
      ++count;
    return count;
  }
  /// What nobody announces: asked until it is so, or the patience is over.
  template <class Condition>
  static bool comes_true(const Condition& condition) {
    for (int i = 0; i < 200; ++i) {
      if (condition()) return true;
      ::poll(nullptr, 0, 50);
    }
    return false;
  }
  static mqtt::Publish report(std::uint16_t id) {
    return {.topic = "wakeline/reply/door",
            .payload = {'x'},
            .qos = id == 0 ? Qos::kAtMostOnce : Qos::kAtLeastOnce,
            .packet_id = id};
  }

  ServerProcess server_;
  std::string token_;
};

}  // namespace wakeline::server
