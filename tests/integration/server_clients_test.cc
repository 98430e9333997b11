// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "server_peers.h"
#include "server_process.h"

/// MQTT clients as they come are devices: mosquitto_sub, mosquitto_pub, Paho of
/// Python and of C, and the mqtt package of npm.
namespace wakeline::server {
namespace {

/// A program whose lines are read one by one; waited for at the end.
class Client {
 public:
  explicit Client(const std::string& command) : pipe_(::popen(command.c_str(), "r")) {}
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() {
    if (pipe_ != nullptr) static_cast<void>(::pclose(pipe_));
  }
  /// Without its end; empty when there is none.
  std::string line() {
    std::array<char, 4'096> text{};
    if (std::fgets(text.data(), text.size(), pipe_) == nullptr) return {};
    std::string found(text.data());
    while (found.ends_with('\n')) found.pop_back();
    return found;
  }
  int wait() {
    const int status = ::pclose(std::exchange(pipe_, nullptr));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  FILE* pipe_;
};

class ServerClients : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server_.start());
    token_ = server_.add_device("door");
  }
  unsigned push(const std::string& title) {
    return HttpPeer(Line(server_.ports.http))
        .push(server_.admin_token(), push_json("door", title))
        .status;
  }
  std::string reports() {
    return HttpPeer(Line(server_.ports.http))
        .ask("GET /v1/reports HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " +
             server_.admin_token() + "\r\n\r\n")
        .body;
  }
  /// -h … -p … with its name and token; `tls`: over the port that needs it.
  std::string options(bool tls) const {
    return " -h localhost -u door -i door -P " + token_ + " -p " +
           std::to_string(tls ? server_.ports.mqtts : server_.ports.mqtt) +
           (tls ? " --cafile " + server_.ca_file() : "");
  }

  ServerProcess server_;
  std::string token_;
};

TEST_F(ServerClients, MosquittoSubGetsAPushInEachVersionPlainAndByTls) {
  for (const char* version : {"mqttv311", "mqttv5"}) {
    for (const bool tls : {false, true}) {
      const std::string title = std::string(version) + (tls ? " tls" : " plain");
      ASSERT_EQ(push(title), 201U);
      Client client("timeout 60 mosquitto_sub -q 1 -C 1 -t wakeline/inbox/door -V " +
                    std::string(version) + options(tls));
      EXPECT_EQ(client.line(), R"({"title":")" + title + "\"}");
      EXPECT_EQ(client.wait(), 0);
    }
  }
}

TEST_F(ServerClients, MosquittoPubLeavesAReplyAndIsToldWhatItMayNot) {
  EXPECT_EQ(Client("timeout 60 mosquitto_pub -q 1 -V mqttv5 -m yes -t wakeline/reply/door" +
                   options(false))
                .wait(),
            0);
  EXPECT_NE(reports().find("\"reply\""), std::string::npos);
  Client other("timeout 60 mosquitto_pub -q 1 -V mqttv5 -m yes -t wakeline/reply/window" +
               options(false) + " 2>&1");
  EXPECT_NE(other.line().find("Not authorized"), std::string::npos);
}

TEST_F(ServerClients, TheMqttPackageOfNpmIsADeviceOverTcpTlsAndWebSocket) {
  const std::string folder = WAKELINE_NPM_FOLDER;
  ASSERT_EQ(std::system((WAKELINE_TOOLS "/npm-install " + folder + " mqtt@5.16.0").c_str()), 0);
  const std::string plain = std::to_string(server_.ports.mqtt);
  const std::string tls = std::to_string(server_.ports.mqtts);
  int number = 0;
  for (const std::string& url : {"mqtt://localhost:" + plain, "ws://localhost:" + plain + "/mqtt",
                                 "mqtts://localhost:" + tls, "wss://localhost:" + tls + "/mqtt"}) {
    for (const char* version : {"4", "5"}) {
      const std::string title = "push " + std::to_string(++number);
      Client client("NODE_EXTRA_CA_CERTS=" + server_.ca_file() + " NODE_PATH=" + folder +
                    "/node_modules timeout 90 node " WAKELINE_PROGRAMS "/mqtt_device.js " + url +
                    " door " + token_ + " " + version);
      ASSERT_EQ(client.line(), "ready") << url;
      ASSERT_EQ(push(title), 201U);
      EXPECT_EQ(client.line(), R"({"title":")" + title + "\"}") << url;
      EXPECT_EQ(client.wait(), 0) << url;
    }
  }
}

TEST_F(ServerClients, PahoOfPythonIsADeviceOverTcpTlsAndWebSocket) {
  int number = 0;
  for (const bool tls : {false, true}) {
    for (const char* transport : {"tcp", "websockets"}) {
      for (const char* version : {"4", "5"}) {
        const std::string title = "push " + std::to_string(++number);
        const std::string port = std::to_string(tls ? server_.ports.mqtts : server_.ports.mqtt);
        Client client("timeout 90 /usr/bin/python3 " WAKELINE_PROGRAMS "/paho_device.py " + port +
                      " door " + token_ + " " + version + " " + transport +
                      (tls ? " " + server_.ca_file() : ""));
        ASSERT_EQ(client.line(), "ready") << transport << version << tls;
        ASSERT_EQ(push(title), 201U);
        EXPECT_EQ(client.line(), R"({"title":")" + title + "\"}") << transport << version << tls;
        EXPECT_EQ(client.wait(), 0) << transport << version << tls;
      }
    }
  }
}

TEST_F(ServerClients, PahoOfCIsADeviceOverTcpTlsAndWebSocket) {
  const std::string plain = std::to_string(server_.ports.mqtt);
  const std::string tls = std::to_string(server_.ports.mqtts);
  int number = 0;
  for (const std::string& url : {"tcp://localhost:" + plain, "ws://localhost:" + plain + "/mqtt",
                                 "ssl://localhost:" + tls, "wss://localhost:" + tls + "/mqtt"}) {
    const bool by_tls = url.starts_with("ssl:") || url.starts_with("wss:");
    for (const char* version : {"4", "5"}) {
      const std::string title = "push " + std::to_string(++number);
      Client client("timeout 90 " WAKELINE_PAHO_C " " + url + " door " + token_ + " " + version +
                    (by_tls ? " " + server_.ca_file() : ""));
      ASSERT_EQ(client.line(), "ready") << url << version;
      ASSERT_EQ(push(title), 201U);
      EXPECT_EQ(client.line(), R"({"title":")" + title + "\"}") << url << version;
      EXPECT_EQ(client.wait(), 0) << url << version;
    }
  }
}

}  // namespace
}  // namespace wakeline::server
