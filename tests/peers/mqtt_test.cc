// SPDX-License-Identifier: Apache-2.0
// MQTT clients as they come, under `wakeline run`: mosquitto's own and the mqtt package of npm.
#include <csignal>
#include <functional>

#include "../integration/mosquitto.h"
#include "../integration/server_process.h"
#include "io/clock.h"
#include "peers_fixture.h"

namespace wakeline::peers {
namespace {

class MqttPeers : public PeersTest {
 protected:
  using Publish = std::function<void(const std::string&)>;

  static std::string rule(std::uint16_t port) { return "tcp:" + std::to_string(port); }

  /// Publishes until the program prints it: it has subscribed.
  static void greet(PeerProgram& program, const Publish& publish) {
    const base::Instant end = io::now() + kPeerPatience;
    while (io::now() < end) {
      publish("hello");
      if (program.next_line("hello", 500ms)) return;
    }
    FAIL() << "it does not subscribe; its output:\n" << program.output();
  }
  /// Three messages: each wakes the sleeping program once, and it prints it.
  void ring(PeerProgram& program, const std::string& app, const Publish& publish) {
    ASSERT_NO_FATAL_FAILURE(greet(program, publish));
    expect_suspended(app);
    const std::uint64_t before = info(app).wakes;
    for (const char* word : {"one", "two", "three"}) {
      publish(word);
      wait_ledger(app, "wake", "socket_data");
      program.wait_line(word);
      expect_suspended(app);
      if (HasFailure()) return;
    }
    EXPECT_EQ(info(app).wakes, before + 3);
    for (const char* word : {"one", "two", "three"}) EXPECT_EQ(program.count_lines(word), 1);
  }

  std::vector<std::string> inbox_js(const std::string& url, std::vector<std::string> more) {
    std::vector<std::string> command = {"node", WAKELINE_PEERS_PROGRAMS "/mqtt_inbox.js", url};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }
  std::vector<std::string> with_npm() {
    const std::string modules = WAKELINE_NPM_FOLDER;
    EXPECT_EQ(std::system((WAKELINE_TOOLS "/npm-install " + modules + " mqtt@5.16.0").c_str()), 0);
    return {"NODE_PATH=" + modules + "/node_modules"};
  }
};
INSTANTIATE_TEST_SUITE_P(Peers, MqttPeers, testing::Values(freezer()), host::parameter_name);

TEST_P(MqttPeers, MosquittoSubIsWokenByEachMessageOfMosquitto) {  // C9
  test::Mosquitto broker;
  ASSERT_TRUE(broker.start());
  start_host({"set:launch_window=20s"});
  const auto sub = run_app("sub", {"--voip", rule(broker.plain)},
                           {"mosquitto_sub", "-h", "127.0.0.1", "-p", std::to_string(broker.plain),
                            "-i", "sub", "-q", "1", "-c", "-k", "1200", "-t", "door"});
  ring(*sub, "sub", [&](const std::string& text) { EXPECT_TRUE(broker.publish("door", text)); });
}

TEST_P(MqttPeers, MosquittoSubIsWokenByEachPushOfOurServer) {  // C9
  server::ServerProcess server;
  ASSERT_TRUE(server.start());
  const std::string token = server.add_device("door");
  start_host({"set:launch_window=20s"});
  const auto sub = run_app("sub", {"--voip", rule(server.ports.mqtts)},
                           {"mosquitto_sub",
                            "-h",
                            "localhost",
                            "-p",
                            std::to_string(server.ports.mqtts),
                            "--cafile",
                            server.ca_file(),
                            "-u",
                            "door",
                            "-P",
                            token,
                            "-i",
                            "door",
                            "-V",
                            "mqttv5",
                            "-q",
                            "1",
                            "-k",
                            "1200",
                            "-t",
                            "wakeline/inbox/door"});
  ring(*sub, "sub", [&](const std::string& text) {
    EXPECT_EQ(server::HttpPeer(server::Line(server.ports.http))
                  .push(server.admin_token(), server::push_json("door", text))
                  .status,
              201U);
  });
}

TEST_P(MqttPeers, TheMqttPackageOfNpmIsWokenByEachMessageOfMosquittoAndOfOurServer) {  // C9
  const auto environment = with_npm();
  test::Mosquitto broker;
  ASSERT_TRUE(broker.start());
  server::ServerProcess server;
  ASSERT_TRUE(server.start());
  const std::string token = server.add_device("door");
  start_host({"set:launch_window=20s"});
  {
    const auto app = run_app(
        "js", {"--voip", rule(broker.plain)},
        inbox_js("mqtt://127.0.0.1:" + std::to_string(broker.plain), {"door", "js"}), environment);
    ring(*app, "js", [&](const std::string& text) { EXPECT_TRUE(broker.publish("door", text)); });
  }
  const auto app = run_app("js-ours", {"--voip", rule(server.ports.mqtt)},
                           inbox_js("mqtt://localhost:" + std::to_string(server.ports.mqtt),
                                    {"wakeline/inbox/door", "door", "door", token}),
                           environment);
  ring(*app, "js-ours", [&](const std::string& text) {
    EXPECT_EQ(server::HttpPeer(server::Line(server.ports.http))
                  .push(server.admin_token(), server::push_json("door", text))
                  .status,
              201U);
  });
}

// Asleep it sends no pings: it must run within its own keep alive, here 5 s, which the broker
// enforces after 7.5 s. What came while there was no broker is not lost.
TEST_P(MqttPeers, MosquittoSubKeepsItsSessionAsleepAndComesBackAfterTheBrokersRestart) {  // C15
  test::Mosquitto broker;
  ASSERT_TRUE(broker.start());
  start_host({"set:launch_window=20s"});
  const auto sub = run_app("sub", {"--voip", rule(broker.plain), "--keep-alive", "2"},
                           {"mosquitto_sub", "-h", "127.0.0.1", "-p", std::to_string(broker.plain),
                            "-i", "sub", "-q", "1", "-c", "-k", "5", "-t", "door", "-d"});
  const auto publish = [&](const std::string& text) { EXPECT_TRUE(broker.publish("door", text)); };
  ASSERT_NO_FATAL_FAILURE(greet(*sub, publish));
  expect_suspended("sub");
  // It runs for its pings alone.
  const base::Instant end = io::now() + 9s;
  while (io::now() < end) wait_ledger("sub", "wake", "keep_alive");
  publish("before");
  sub->wait_line("before");
  EXPECT_EQ(sub->count_lines("sending CONNECT"), 1) << sub->output();

  broker.end(SIGKILL);
  ASSERT_TRUE(broker.start());
  ASSERT_NO_FATAL_FAILURE(greet(*sub, publish));
  publish("after");
  sub->wait_line("after");
  EXPECT_EQ(sub->count_lines("before"), 1);
}

}  // namespace
}  // namespace wakeline::peers
