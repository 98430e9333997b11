// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "io/file.h"
#include "server_peers.h"
#include "server_process.h"

/// Who gives wrong tokens again and again waits (decision 0021), by MQTT as by HTTP, over all
/// shards.
namespace wakeline::server {
namespace {

namespace mqtt = wire::mqtt;
using mqtt::Reason;
using mqtt::Version;

constexpr const char* kElsewhere = "127.0.0.2";

/// What a CONNECT with that token is answered.
mqtt::Connack log_in(Line line, const std::string& device, const std::string& token,
                     Version version = Version::k5) {
  MqttPeer peer(std::move(line), version);
  auto packet = connect_packet(device, token);
  packet.version = version;
  if (version == Version::k311) packet.properties = {};
  EXPECT_TRUE(peer.send(packet));
  const auto connack = peer.expect<mqtt::Connack>();
  EXPECT_TRUE(connack);
  if (connack && connack->reason != Reason::kSuccess) {
    EXPECT_TRUE(peer.line.ends());
  }
  return connack.value_or(mqtt::Connack{.reason = Reason::kUnspecified});
}

std::string audit_of(const ServerProcess& server) {
  return io::read_file(server.folder() + "/audit.log", 1'000'000).value_or("");
}

TEST(ServerLogin, LetsADeviceWaitWhereItsTokenWasWrongTooOftenAndNowhereElse) {
  ServerProcess server({"auth_failures_per_device=3", "shards=4"});
  ASSERT_TRUE(server.start());
  const std::string token = server.add_device("door");
  const std::string other = server.add_device("window");
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(log_in(Line(server.ports.mqtt), "door", "wrong").reason, Reason::kBadCredentials);
  // Its true token is not looked at either: a guesser learns nothing.
  const auto told = log_in(Line(server.ports.mqtt), "door", token);
  EXPECT_EQ(told.reason, Reason::kConnectionRateExceeded);
  const auto after = told.properties.user_value("retry-after");
  ASSERT_TRUE(after);
  EXPECT_GT(std::stoul(std::string(*after)), 0U);
  EXPECT_LE(std::stoul(std::string(*after)), 20'000U);
  EXPECT_EQ(log_in(Line(server.ports.mqtts, server.ca_file()), "door", token).reason,
            Reason::kConnectionRateExceeded);
  EXPECT_EQ(log_in(Line(server.ports.mqtt), "door", token, Version::k311).reason,
            Reason::kServerUnavailable);
  const auto http =
      HttpPeer(Line(server.ports.http))
          .ask(request_text("DELETE", "/v1/fallback", basic_authorization("door", token), ""));
  EXPECT_EQ(http.status, 429U);
  EXPECT_NE(http.header.find("Retry-After: "), std::string::npos);
  EXPECT_EQ(log_in(Line(server.ports.mqtt), "window", other).reason, Reason::kSuccess);
  EXPECT_EQ(log_in(Line::from(kElsewhere, server.ports.mqtt), "door", token).reason,
            Reason::kSuccess);
  const std::string audit = audit_of(server);
  EXPECT_NE(audit.find("\"event\":\"denied\",\"address\":\"127.0.0.1\",\"device\":\"door\""),
            std::string::npos)
      << audit;
  EXPECT_NE(audit.find("\"event\":\"kept_out\",\"address\":\"127.0.0.1\",\"device\":\"door\""),
            std::string::npos)
      << audit;
  EXPECT_EQ(audit.find("wrong"), std::string::npos) << audit;
}

TEST(ServerLogin, LetsAnAddressWaitButNoDeviceThatLoggedInFromThereBefore) {
  ServerProcess server({"auth_failures=6", "shards=4"});
  ASSERT_TRUE(server.start());
  const std::string token = server.add_device("door");
  const std::string other = server.add_device("window");
  ASSERT_EQ(log_in(Line(server.ports.mqtt), "door", token).reason, Reason::kSuccess);
  for (int i = 0; i < 6; ++i)
    EXPECT_EQ(log_in(Line(server.ports.mqtt), "guess" + std::to_string(i), token).reason,
              Reason::kBadCredentials);
  EXPECT_EQ(log_in(Line(server.ports.mqtt), "window", other).reason,
            Reason::kConnectionRateExceeded);
  EXPECT_EQ(log_in(Line(server.ports.mqtt), "door", token).reason, Reason::kSuccess);
  const std::string admin = server.admin_token();
  const auto stats = request_text("GET", "/metrics", "Bearer " + admin, "");
  EXPECT_EQ(HttpPeer(Line(server.ports.http)).ask(stats).status, 429U);
  EXPECT_EQ(log_in(Line::from(kElsewhere, server.ports.mqtt), "window", other).reason,
            Reason::kSuccess);
  const auto figures = HttpPeer(Line::from(kElsewhere, server.ports.http)).ask(stats);
  EXPECT_EQ(figures.status, 200U);
  EXPECT_NE(figures.body.find("\nwakeline_wrong_tokens_total 6\n"), std::string::npos)
      << figures.body;
  EXPECT_NE(figures.body.find("\nwakeline_logins_kept_out_total 2\n"), std::string::npos)
      << figures.body;
}

}  // namespace
}  // namespace wakeline::server
