// SPDX-License-Identifier: Apache-2.0
// A chat client that nobody here wrote, in a terminal: used, left, suspended, woken by a message.
#include <filesystem>

#include "peers_fixture.h"
#include "prosody.h"
#include "terminal.h"

namespace wakeline::peers {
namespace {

class ChatClient : public PeersTest {
 protected:
  /// mcabber over STARTTLS, with the server's certificate as the only one that it trusts.
  std::vector<std::string> mcabber(const Prosody& server) const {
    const std::string settings = write(
        "mcabber/mcabberrc",
        "set jid = alice@localhost\nset password = secret\nset resource = desk\n"
        "set disable_random_resource = 1\nset server = localhost\nset port = " +
            std::to_string(server.port) + "\nset tls = 1\nset ssl_ca = " + server.ca_file() + "\n");
    std::filesystem::permissions(
        settings, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    std::filesystem::permissions(file("mcabber"), std::filesystem::perms::owner_all);
    return {"mcabber", "-f", settings};
  }
};
INSTANTIATE_TEST_SUITE_P(Peers, ChatClient, testing::Values(freezer()), host::parameter_name);

TEST_P(ChatClient, McabberInATerminalIsWokenByEachMessageAndShowsIt) {  // C7, C9
  Prosody server(file("xmpp"));
  server.start();
  start_host();
  Terminal terminal(
      file("terminal"),
      run_command("mcabber", {"--voip", "tcp:" + std::to_string(server.port)}, mcabber(server)),
      {"HOME=" + file("mcabber")});
  // Its user opens a chat, and goes away.
  terminal.wait_text("Your status has been set");
  terminal.type("/say_to bob@localhost hello");
  terminal.type("");
  terminal.wait_text("--> hello");
  command(wire::host::Command::kBackground, "mcabber");
  expect_suspended("mcabber");
  const auto before = info("mcabber").wakes;
  for (const char* text : {"one-more-thing", "and-another"}) {
    EXPECT_FALSE(terminal.shows(text));
    server.send(text);
    wait_ledger("mcabber", "wake", "socket_data");
    terminal.wait_text(std::string("<== ") + text);
    expect_suspended("mcabber");
  }
  EXPECT_EQ(info("mcabber").wakes, before + 2);
}

}  // namespace
}  // namespace wakeline::peers
