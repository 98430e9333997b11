// SPDX-License-Identifier: Apache-2.0
// The whole way of a Web Push with software as it comes at both ends: the web-push package of npm,
// our server, the suspended doorbell, which alone can read the push, and a desktop's notifications.
#include <poll.h>

#include <cstdlib>
#include <filesystem>

#include <boost/json.hpp>

#include "../integration/linux_desktop.h"
#include "../integration/linux_mock.h"
#include "../integration/server_process.h"
#include "io/clock.h"
#include "peers_fixture.h"

namespace wakeline::peers {
namespace {

namespace json = boost::json;

constexpr const char* kNotifyDaemon =
    "/usr/lib/x86_64-linux-gnu/xfce4/notifyd/xfce4-notifyd";  // Debian's, outside of PATH

class WebPushPeers : public PeersTest {
 protected:
  void SetUp() override {
    PeersTest::SetUp();
    const std::string modules = WAKELINE_NPM_FOLDER;
    ASSERT_EQ(std::system((WAKELINE_TOOLS "/npm-install " + modules + " web-push@3.6.7").c_str()),
              0);
    ASSERT_TRUE(server_.start());
  }

  void install_doorbell() {
    write("doorbell.conf", "host = localhost\nport = " + std::to_string(server_.ports.mqtts) +
                               "\ndevice = doorbell\ntoken = " + server_.add_device("doorbell") +
                               "\nca_file = " + server_.ca_file() + "\n");
    write_file("doorbell.desktop",
               "[Desktop Entry]\nType=Application\nName=Doorbell\nExec=" WAKELINE_DOORBELL " " +
                   file("doorbell.conf") +
                   "\nX-Wakeline-BackgroundModes=voip;\nX-Wakeline-Environment=XDG_STATE_HOME=" +
                   file("app-state") +
                   ";DOORBELL_WEB_PUSH=https://localhost:" + std::to_string(server_.ports.https) +
                   ";DOORBELL_SUBSCRIPTION=" + file("subscription.json") + ";\n");
  }

  std::string node(const std::vector<std::string>& words) {
    std::vector<std::string> command = {"node", WAKELINE_PROGRAMS "/web_push.js"};
    command.insert(command.end(), words.begin(), words.end());
    PeerProgram program(command, file("node.log"),
                        {"NODE_PATH=" WAKELINE_NPM_FOLDER "/node_modules",
                         "NODE_EXTRA_CA_CERTS=" + server_.ca_file()});
    EXPECT_EQ(program.wait(), 0) << program.output();
    return program.wait_line("{");
  }

  server::ServerProcess server_;
};
INSTANTIATE_TEST_SUITE_P(Peers, WebPushPeers, testing::Values(freezer()), host::parameter_name);

TEST_P(WebPushPeers, TheNpmPackageRingsTheSuspendedDoorbellOnARealDesktop) {  // C9, C27
  PeerProgram screen({"Xvfb", "-displayfd", "1", "-screen", "0", "420x130x24", "-nolisten", "tcp"},
                     file("xvfb.log"));
  // Its number; what it says of displays that are taken is passed over.
  std::optional<std::string> display;
  do {
    display = screen.next_line("", kPeerPatience);
  } while (display && display->find_first_not_of("0123456789") != std::string::npos);
  ASSERT_TRUE(display) << screen.output();
  const sys::test::BusDaemon bus;
  const std::vector<std::string> desktop = {"DISPLAY=:" + *display,
                                            "DBUS_SESSION_BUS_ADDRESS=" + bus.address(),
                                            "XDG_CONFIG_HOME=" + file("desktop")};
  PeerProgram notifyd({kNotifyDaemon}, file("notifyd.log"), desktop);
  sys::test::run(bus.address(),
                 {"gdbus", "wait", "--session", "--timeout", "30", sys::test::kName});
  ::setenv("DBUS_SESSION_BUS_ADDRESS", bus.address().c_str(), 1);
  install_doorbell();
  start_host({"notifier=dbus", "set:wake_window=3s", "set:launch_window=10s"});
  ::unsetenv("DBUS_SESSION_BUS_ADDRESS");
  expect_suspended("doorbell");

  const json::value subscription = json::parse(text_of(file("subscription.json")));
  const json::value keys = json::parse(node({"keys"}));
  const json::object push{
      {"endpoint", subscription.at("endpoint")},
      {"p256dh", subscription.at("keys").at("p256dh")},
      {"auth", subscription.at("keys").at("auth")},
      {"vapid", keys.at("vapid")},
      {"payload", R"({"title":"Someone is at the door","body":"Sent by web-push of npm, sealed"})"},
      {"options", {{"TTL", 60}, {"urgency", "high"}}}};
  EXPECT_EQ(json::parse(node({"send", json::serialize(push)})).at("status"), 201);
  wait_ledger("doorbell", "wake", "socket_data");
  wait_ledger("doorbell", "notify");
  EXPECT_TRUE(wait_frozen(static_cast<pid_t>(info("doorbell").pid), true));
  EXPECT_NE(host_log().find("doorbell: ring 1: Someone is at the door\n"), std::string::npos);

  // The desktop draws it in a window of its own.
  PeerProgram window({"xdotool", "search", "--sync", "--onlyvisible", "--class", "xfce4-notifyd"},
                     file("window.log"), desktop);
  EXPECT_EQ(window.wait(), 0) << window.output();
  if (const char* image = std::getenv("WAKELINE_SCREENSHOT")) {
    PeerProgram shot({"import", "-window", "root", image}, file("shot.log"), desktop);
    EXPECT_EQ(shot.wait(), 0) << shot.output();
  }
}

}  // namespace
}  // namespace wakeline::peers
