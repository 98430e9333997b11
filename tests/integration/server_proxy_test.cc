// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>

#include "io/file.h"
#include "mosquitto.h"
#include "server_peers.h"
#include "server_process.h"
#include "server_websocket_peer.h"
#include "wire/push.h"

/// The server behind nginx as it comes, with the configuration that operators get.
namespace wakeline::server {
namespace {

namespace mqtt = wire::mqtt;

/// packaging/nginx.conf with ports, certificate and name of a test.
class Nginx {
 public:
  Nginx() : port(test::free_port()) {}
  Nginx(const Nginx&) = delete;
  Nginx& operator=(const Nginx&) = delete;
  ~Nginx() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }

  /// Returns: whether it serves within ten seconds.
  bool start(const ServerProcess& server) {
    std::string recipe = io::read_file(WAKELINE_PACKAGING "/nginx.conf", 1 << 16).value();
    const std::string listen = "127.0.0.1:" + std::to_string(port);
    for (const auto& [from, to] :
         {std::pair<std::string, std::string>{"listen 443 ssl", "listen " + listen + " ssl"},
          {"127.0.0.1:8080", "127.0.0.1:" + std::to_string(server.ports.http)},
          {"127.0.0.1:1883", "127.0.0.1:" + std::to_string(server.ports.mqtt)},
          {"push.example.org", "localhost"},
          {"/etc/ssl/push.pem", server.ca_file()},
          {"/etc/ssl/push.key", server.folder() + "/key.pem"}}) {
      const std::size_t at = recipe.find(from);
      if (at == std::string::npos) return false;
      recipe.replace(at, from.size(), to);
    }
    const std::string config = folder_.file("nginx.conf");
    std::ofstream file(config);
    file << "daemon off;\nmaster_process off;\npid " << folder_.file("pid") << ";\n"
         << "error_log " << log() << ";\nevents { }\nhttp {\naccess_log off;\n";
    for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"})
      file << kind << "_temp_path " << folder_.file(kind) << ";\n";
    file << recipe << "}\n";
    file.close();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::execl("/usr/sbin/nginx", "nginx", "-p", folder_.path().c_str(), "-e", log().c_str(), "-c",
              config.c_str(), nullptr);
      ::_exit(127);
    }
    for (int i = 0; i < 200; ++i) {
      if (Line(port, server.ca_file()).ok()) return true;
      if (::waitpid(pid_, nullptr, WNOHANG) == pid_) return pid_ = -1, false;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return false;
  }
  std::string log() const { return folder_.file("error.log"); }

  const std::uint16_t port;

 private:
  io::TestFolder folder_;
  pid_t pid_ = -1;
};

class ServerProxy : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server_.start());
    token_ = server_.add_device("door");
    ASSERT_TRUE(nginx_.start(server_)) << io::read_file(nginx_.log(), 4'096).value_or("no log");
  }
  Line line() const { return Line(nginx_.port, server_.ca_file()); }
  HttpAnswer push(HttpPeer& app, const std::string& title, const std::string& more = {}) const {
    return app.ask(request_text("POST", "/v1/push", "Bearer " + server_.admin_token(),
                                push_json("door", title), more));
  }

  ServerProcess server_;
  Nginx nginx_;
  std::string token_;
};

TEST_F(ServerProxy, APushThroughNginxReachesADeviceOnAWebSocketThroughNginxAndIsAcknowledged) {
  WebSocketPeer device(line());
  const std::string header = device.open();
  ASSERT_TRUE(header.starts_with("HTTP/1.1 101")) << header;
  ASSERT_TRUE(device.send(connect_packet("door", token_)));
  const auto connack = device.expect<mqtt::Connack>();
  ASSERT_TRUE(connack && connack->reason == mqtt::Reason::kSuccess);
  ASSERT_TRUE(device.send(mqtt::Subscribe{
      .packet_id = 1,
      .topics = {{.filter = wire::inbox_topic("door"), .qos = mqtt::Qos::kAtLeastOnce}}}));
  ASSERT_TRUE(device.expect<mqtt::Suback>());
  HttpPeer app(line());
  for (int i = 0; i < 50; ++i) {
    const std::string title = "through nginx " + std::to_string(i);
    ASSERT_EQ(push(app, title).status, 201U);
    const auto publish = device.expect<mqtt::Publish>();
    ASSERT_TRUE(publish);
    EXPECT_EQ(base::as_text(publish->payload), R"({"title":")" + title + "\"}");
    ASSERT_TRUE(device.send(mqtt::Ack{.packet_id = publish->packet_id}));
  }
  ASSERT_TRUE(device.send(mqtt::Pingreq{}));
  EXPECT_TRUE(device.expect<mqtt::Pingresp>());
}

TEST_F(ServerProxy, WhatTheServerRefusesIsWhatAnAppServerReadsBehindNginx) {
  HttpPeer app(line());
  EXPECT_EQ(
      app.ask(request_text("POST", "/v1/push", "Bearer wrong", push_json("door", "x"))).status,
      401U);
  EXPECT_EQ(app.ask(request_text("POST", "/v1/push", "Bearer " + server_.admin_token(),
                                 push_json("nobody", "x")))
                .status,
            404U);
  const HttpAnswer first = push(app, "once", "Idempotency-Key: one\r\n");
  const HttpAnswer again = push(app, "once", "Idempotency-Key: one\r\n");
  EXPECT_EQ(first.status, 201U);
  EXPECT_EQ(again.body, first.body);
}

TEST_F(ServerProxy, AServerThatIsKilledBehindNginxIsReachedAgainWithWhatItAccepted) {
  HttpPeer app(line());
  ASSERT_EQ(push(app, "kept").status, 201U);
  server_.kill_now();
  HttpPeer meanwhile(line());
  EXPECT_EQ(push(meanwhile, "refused").status, 502U);
  ASSERT_TRUE(server_.start());
  WebSocketPeer device(line());
  ASSERT_TRUE(device.open().starts_with("HTTP/1.1 101"));
  ASSERT_TRUE(device.send(connect_packet("door", token_)));
  ASSERT_TRUE(device.expect<mqtt::Connack>());
  ASSERT_TRUE(device.send(mqtt::Subscribe{
      .packet_id = 1,
      .topics = {{.filter = wire::inbox_topic("door"), .qos = mqtt::Qos::kAtLeastOnce}}}));
  ASSERT_TRUE(device.expect<mqtt::Suback>());
  const auto publish = device.expect<mqtt::Publish>();
  ASSERT_TRUE(publish);
  EXPECT_EQ(base::as_text(publish->payload), R"({"title":"kept"})");
}

TEST_F(ServerProxy, AnUpgradeInPlaceIsNotNoticedByADeviceBehindNginx) {
  WebSocketPeer device(line());
  ASSERT_TRUE(device.open().starts_with("HTTP/1.1 101"));
  ASSERT_TRUE(device.send(connect_packet("door", token_)));
  ASSERT_TRUE(device.expect<mqtt::Connack>());
  ASSERT_TRUE(device.send(mqtt::Subscribe{
      .packet_id = 1,
      .topics = {{.filter = wire::inbox_topic("door"), .qos = mqtt::Qos::kAtLeastOnce}}}));
  ASSERT_TRUE(device.expect<mqtt::Suback>());
  const auto heir = ServerProcess::heir_of(server_);
  ASSERT_TRUE(heir->start());
  EXPECT_EQ(server_.wait(), 0);
  HttpPeer app(line());
  ASSERT_EQ(push(app, "after").status, 201U);
  const auto publish = device.expect<mqtt::Publish>();
  ASSERT_TRUE(publish);
  EXPECT_EQ(base::as_text(publish->payload), R"({"title":"after"})");
}

}  // namespace
}  // namespace wakeline::server
