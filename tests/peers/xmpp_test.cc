// SPDX-License-Identifier: Apache-2.0
// XMPP: the example chat (gloox, with our adapter); a real server and a real sender.
#include <poll.h>

#include <csignal>
#include <filesystem>

#include "../support/fault_proxy.h"
#include "io/clock.h"
#include "peers_fixture.h"
#include "prosody.h"

namespace wakeline::peers {
namespace {

class XmppPeers : public PeersTest {
 protected:
  void SetUp() override {
    PeersTest::SetUp();
    ASSERT_TRUE(std::filesystem::exists(WAKELINE_CHAT))
        << "the example chat is not built: tools/setup peers, and configure anew";
  }

  /// The example as an app of the host, over `port` of the server or of a proxy before it. `how`:
  /// "plain", or whom it trusts.
  void install_chat(std::uint16_t port, const std::string& how = "plain") {
    write_file("chat.desktop", "[Desktop Entry]\nType=Application\nName=Chat\nExec=" WAKELINE_CHAT
                               " alice@localhost/desk 127.0.0.1 " +
                                   std::to_string(port) + " " + file("seen") + " " + how +
                                   "\nX-Wakeline-BackgroundModes=voip;\n"
                                   "X-Wakeline-Environment=CHAT_PASSWORD=secret;\n");
  }
  int count(const std::string& text) const {
    const std::string log = host_log();
    int found = 0;
    for (std::size_t at = log.find(text); at != std::string::npos; at = log.find(text, at + 1))
      ++found;
    return found;
  }
  /// Waits until the host's log, where its apps and the notifications write, has the text so often.
  void wait_log(const std::string& text, int times = 1) {
    EXPECT_TRUE(eventually([&] { return count(text) >= times; })) << "not so often: " << text;
  }
  template <class Condition>
  static bool eventually(Condition condition) {
    const base::Instant end = io::now() + kPeerPatience;
    while (!condition()) {
      if (io::now() > end) return false;
      ::poll(nullptr, 0, 5);
    }
    return true;
  }
  static std::string shown(const std::string& text) {
    return "[Chat] bob@localhost: " + text + "\n";
  }

  void is_woken_and_shows(Prosody& server, const std::string& text) {
    server.send(text);
    wait_ledger("chat", "wake", "socket_data");
    wait_log(shown(text));
    expect_suspended("chat");
    EXPECT_EQ(count(shown(text)), 1);
  }
};
INSTANTIATE_TEST_SUITE_P(Peers, XmppPeers, testing::Values(freezer()), host::parameter_name);

TEST_P(XmppPeers, AMessageWakesTheGlooxClientAndIsShown) {  // C9, C27, C36
  Prosody server(file("xmpp"));
  server.start();
  install_chat(server.port);
  start_host({"set:launch_window=20s"});
  wait_log("chat: online\n");
  expect_suspended("chat");
  for (const char* text : {"one", "two"}) is_woken_and_shows(server, text);
}

TEST_P(XmppPeers, AServerThatAsksWhoSleepsIsAnsweredAndNothingIsLost) {  // C9, C12
  Prosody server(file("xmpp"), {.read_timeout_s = 2});
  server.start();
  install_chat(server.port);
  start_host({"set:launch_window=20s"});
  wait_log("chat: online\n");
  for (int i = 0; i < 2; ++i) {
    expect_suspended("chat");
    wait_ledger("chat", "wake", "socket_data");  // <r/>: it wants a sign of life
  }
  expect_suspended("chat");
  server.send("still there");
  wait_log(shown("still there"));
  EXPECT_EQ(count(shown("still there")), 1);
  EXPECT_EQ(count("chat: offline"), 0);
}

TEST_P(XmppPeers, ALostConnectionIsResumedAndWhatCameMeanwhileIsShownOnce) {  // C10
  Prosody server(file("xmpp"));
  server.start();
  test::FaultProxy network(server.port);
  install_chat(network.port());
  start_host({"set:launch_window=20s", "set:task_pool=20s"});
  wait_log("chat: online\n");
  expect_suspended("chat");
  network.set({.refusing = true});
  network.reset_all();
  wait_ledger("chat", "wake", "socket_error");
  server.send("meanwhile");
  network.set({});
  wait_log("chat: online, resumed");
  wait_log(shown("meanwhile"));
  expect_suspended("chat");
  is_woken_and_shows(server, "after");
  EXPECT_EQ(count(shown("meanwhile")), 1);
}

TEST_P(XmppPeers, AMessageWhoseAcknowledgementWasLostComesAgainAndIsShownOnce) {  // C10
  Prosody server(file("xmpp"), {.hibernation_s = 1});
  server.start();
  test::FaultProxy network(server.port);
  install_chat(network.port());
  start_host({"set:launch_window=20s", "set:task_pool=20s"});
  wait_log("chat: online\n");
  expect_suspended("chat");
  network.set({.delay = 1s});  // the acknowledgement is still on its way when the line breaks
  server.send("twice");
  wait_log(shown("twice"));
  network.set({.refusing = true});
  network.reset_all();
  // The session cannot be resumed any more, its message waits for the next login.
  EXPECT_TRUE(eventually(
      [&] { return std::filesystem::exists(file("xmpp/data/localhost/offline/alice.list")); }));
  network.set({});
  wait_log("chat: online\n", 2);
  wait_log("chat: again from bob@localhost: twice");
  EXPECT_EQ(count(shown("twice")), 1);
}

TEST_P(XmppPeers, AfterTheServersRestartItIsBackAndGetsWhatWaited) {  // C10
  Prosody server(file("xmpp"));
  server.start();
  install_chat(server.port);
  start_host({"set:launch_window=20s", "set:task_pool=20s"});
  wait_log("chat: online\n");
  expect_suspended("chat");
  server.crash();
  wait_ledger("chat", "wake", "socket_end");
  server.start();
  server.send("meanwhile");
  wait_log("chat: online\n", 2);
  wait_log(shown("meanwhile"));
  expect_suspended("chat");
  is_woken_and_shows(server, "after");
  EXPECT_EQ(count(shown("meanwhile")), 1);
}

// --- the same over STARTTLS

TEST_P(XmppPeers, OverStarttlsItIsWokenResumedAndBackAfterARestartAndShowsEachMessageOnce) {
  Prosody server(file("xmpp"));  // C9, C10, C36
  server.start();
  test::FaultProxy network(server.port);
  install_chat(network.port(), "ca=" + server.ca_file());
  start_host({"set:launch_window=20s", "set:task_pool=20s"});
  wait_log("chat: online\n");
  EXPECT_FALSE(server.program().wait_line("Stream encrypted (TLSv1.").empty());
  expect_suspended("chat");
  is_woken_and_shows(server, "one");

  network.set({.refusing = true});
  network.reset_all();
  wait_ledger("chat", "wake", "socket_error");
  server.send("two");
  network.set({});
  wait_log("chat: online, resumed");
  wait_log(shown("two"));
  expect_suspended("chat");

  server.crash();
  wait_ledger("chat", "wake", "socket_end");
  server.start();
  server.send("three");
  wait_log("chat: online\n", 2);
  wait_log(shown("three"));
  expect_suspended("chat");
  is_woken_and_shows(server, "four");
  for (const char* text : {"one", "two", "three", "four"}) EXPECT_EQ(count(shown(text)), 1) << text;
}

TEST_P(XmppPeers, NoPasswordGoesToAServerWhoseCertificateNobodyVouchesFor) {
  Prosody unknown(file("unknown"));
  Prosody other(file("other"), {.certified = "elsewhere.example"});
  unknown.start();
  other.start();
  PeerProgram stranger({WAKELINE_CHAT, "alice@localhost/desk", "127.0.0.1",
                        std::to_string(unknown.port), file("seen"), "ca=" + other.ca_file()},
                       file("stranger.log"), {"CHAT_PASSWORD=secret"});
  PeerProgram wrong_name({WAKELINE_CHAT, "alice@localhost/desk", "127.0.0.1",
                          std::to_string(other.port), file("seen"), "ca=" + other.ca_file()},
                         file("wrong.log"), {"CHAT_PASSWORD=secret"});
  stranger.wait_line("certificate is not trusted");
  wrong_name.wait_line("certificate is not trusted");
  for (Prosody* server : {&unknown, &other})
    EXPECT_EQ(server->program().count_lines("Authenticated as"), 0);
}

}  // namespace
}  // namespace wakeline::peers
