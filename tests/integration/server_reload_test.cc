// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "configured_server.h"
#include "io/tls.h"
#include "server/upgrade.h"
#include "server_peers.h"

/// What a running server takes over when it reads its configuration anew.
namespace wakeline::server {
namespace {

namespace mqtt = wire::mqtt;

TEST(OperatorConfiguration, IsTakenOverWithoutDroppingAConnection) {
  ConfiguredServer server;
  ASSERT_TRUE(server.start()) << server.log();
  const Ran added = wakeline("devices add door" + server.folder_option());
  const std::size_t at = added.out.find("token = ") + 8;
  MqttPeer door{Line(server.mqtt)};
  ASSERT_EQ(door.log_in("door", added.out.substr(at, 43)), mqtt::Reason::kSuccess);
  const auto text = io::read_file(server.data() + "/admin-token", 100);
  const std::string token = text->substr(0, text->size() - 1);
  HttpPeer peer{Line(server.http)};
  ASSERT_EQ(peer.push(token, push_json("door", "a")).status, 201U);

  server.configure("auth_failures = 0\ndevice_rate = 1\nqueue_max = 7\n");
  server.reload();
  ASSERT_TRUE(eventually([&] {
    return server.log().find("read anew; after a restart: limits.queue_max") != std::string::npos;
  })) << server.log();
  unsigned status = 201;
  for (int i = 0; i < 50 && status == 201; ++i)
    status = peer.push(token, push_json("door", "b")).status;  // the same connection
  EXPECT_EQ(status, 429U);
  server.configure("nonsense = 1\n");
  server.reload();
  ASSERT_TRUE(eventually(
      [&] { return server.log().find("limits.nonsense: is unknown") != std::string::npos; }));
  EXPECT_NE(server.log().find(R"("level":"error","part":"server","text":"the configuration stays)"
                              R"( as it was: )"),
            std::string::npos)
      << server.log();
  EXPECT_EQ(peer.ask("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").status, 200U);
  ASSERT_TRUE(door.send(mqtt::Pingreq{}));
  bool answered = false;
  while (const auto packet = door.receive()) {
    answered = std::holds_alternative<mqtt::Pingresp>(*packet);
    if (answered) break;
  }
  EXPECT_TRUE(answered);
  EXPECT_NE(server.log().find("\"level\":\"info\",\"part\":\"server\",\"text\":\"ready"),
            std::string::npos)
      << server.log();
}

/// Pushes until one is refused for its rate.
bool limited(const ConfiguredServer& server, const std::string& device) {
  const auto token = io::read_file(server.data() + "/admin-token", 100);
  for (int i = 0; token && i < 50; ++i) {
    HttpPeer peer{Line(server.http)};
    if (peer.push(token->substr(0, 43), push_json(device, "a")).status == 429) return true;
  }
  return false;
}

TEST(OperatorConfiguration, LeavesTheLogLevelToTheCommandLineAtTheStartAndAtAReload) {
  ConfiguredServer server;
  server.configure("auth_failures = 0\n", "level = \"debug\"\n");
  ASSERT_TRUE(server.start({"--log-level", "error"})) << server.log();
  ASSERT_EQ(wakeline("devices add door" + server.folder_option()).code, 0);
  server.configure("auth_failures = 0\ndevice_rate = 1\n", "level = \"debug\"\n");
  server.reload();
  ASSERT_TRUE(eventually([&] { return limited(server, "door"); }));  // it was read
  EXPECT_EQ(server.log().find("\"level\":\"info\""), std::string::npos) << server.log();
  EXPECT_EQ(server.log().find("\"level\":\"debug\""), std::string::npos) << server.log();
}

TEST(OperatorConfiguration, ThatWasTakenOverHoldsAfterAnUpgradeThatFailed) {
  ConfiguredServer server;
  ASSERT_TRUE(server.start()) << server.log();
  ASSERT_EQ(wakeline("devices add door" + server.folder_option()).code, 0);
  server.configure("auth_failures = 0\ndevice_rate = 1\n");
  server.reload();
  ASSERT_TRUE(eventually([&] { return limited(server, "door"); }));
  {
    const auto claimed = claim_inheritance(server.data() + "/control");
    ASSERT_TRUE(claimed) << base::to_string(claimed.error());
  }  // and ends without a word
  ASSERT_TRUE(eventually(
      [&] { return server.log().find("not handed over, going on") != std::string::npos; }));
  EXPECT_TRUE(limited(server, "door"));
}

/// Whether a server shows the certificate of that file.
bool shows(std::uint16_t port, const std::string& certificate) {
  return Line(port, certificate).ok();
}

TEST(OperatorCertificates, AreReadAnewAtAReloadAndNoConnectionIsDropped) {
  ConfiguredServer server;
  std::ofstream(server.file("server.toml"))
      << "[listen]\nmqtts = \"127.0.0.1:0\"\nhttps = \"127.0.0.1:0\"\n";
  ASSERT_TRUE(server.start()) << server.log();
  const std::string certificate = server.data() + "/certificate.pem";
  const std::string key = server.data() + "/key.pem";
  const std::string before = server.file("before.pem");
  std::filesystem::copy(certificate, before);
  const Ran added = wakeline("devices add door" + server.folder_option());
  MqttPeer door{Line(server.mqtts, before)};
  ASSERT_EQ(door.log_in("door", added.out.substr(added.out.find("token = ") + 8, 43)),
            mqtt::Reason::kSuccess);

  const auto renewed = server.file("renewed.pem");
  ASSERT_TRUE(io::make_self_signed(renewed, server.file("renewed.key"), {"localhost"}));
  std::filesystem::copy(renewed, certificate, std::filesystem::copy_options::overwrite_existing);
  server.reload();  // without its key
  ASSERT_TRUE(eventually([&] {
    return server.log().find("the certificates stay as they were") != std::string::npos;
  })) << server.log();
  EXPECT_TRUE(shows(server.mqtts, before));
  EXPECT_TRUE(shows(server.https, before));

  std::filesystem::copy(server.file("renewed.key"), key,
                        std::filesystem::copy_options::overwrite_existing);
  server.reload();
  EXPECT_TRUE(eventually([&] { return shows(server.mqtts, renewed); }));
  EXPECT_TRUE(eventually([&] { return shows(server.https, renewed); }));
  EXPECT_FALSE(shows(server.mqtts, before));
  ASSERT_TRUE(door.send(mqtt::Pingreq{}));
  EXPECT_TRUE(door.expect<mqtt::Pingresp>());
}

}  // namespace
}  // namespace wakeline::server
