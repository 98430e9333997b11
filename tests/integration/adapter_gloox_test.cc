// SPDX-License-Identifier: Apache-2.0
// gloox's own client on our connection, against a peer that speaks as an XMPP server begins.
#include <fcntl.h>
#include <gloox/client.h>
#include <gloox/connectionlistener.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wakeline/adapters/gloox.h>

#include <memory>
#include <thread>

#include "app/host_testing.h"
#include "io/stream.h"
#include "io/unique_fd.h"

namespace wakeline::app::test {
namespace {

using adapters::GlooxConnection;

/// Remembers how connections ended.
struct Endings : gloox::ConnectionListener {
  void onConnect() override {}
  void onDisconnect(gloox::ConnectionError error) override { last = error; }
  bool onTLSConnect(const gloox::CertInfo& /*info*/) override { return true; }
  gloox::ConnectionError last = gloox::ConnNoError;
};

class GlooxAdapter : public testing::Test {
 protected:
  GlooxAdapter() {
    client.registerConnectionListener(&endings);
    client.setTls(gloox::TLSDisabled);
  }

  GlooxConnection* use(GlooxConnection* connection) {
    client.setConnectionImpl(connection);
    return connection;
  }
  io::UniqueFd accept() const { return io::UniqueFd(::accept(listener->get(), nullptr, nullptr)); }
  /// What the client said first.
  static std::string greeting(const io::UniqueFd& peer) {
    std::string text;
    while (text.find("<stream:stream") == std::string::npos) {
      std::array<char, 4096> block;
      const ssize_t got = ::recv(peer.get(), block.data(), block.size(), 0);
      if (got <= 0) break;
      text.append(block.data(), static_cast<std::size_t>(got));
    }
    return text;
  }
  static void say(const io::UniqueFd& peer, const std::string& text) {
    WL_CHECK(::send(peer.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
             static_cast<ssize_t>(text.size()));
  }

  io::TestFolder folder;
  TestHost peer{folder.file("host.sock")};
  App app = std::move(*App::create({.host_path = folder.file("host.sock")}));
  base::Result<io::UniqueFd> listener = io::listen_tcp("127.0.0.1", 0);
  std::uint16_t port = io::port_of(listener->get());
  Endings endings;
  gloox::Client client{gloox::JID("alice@localhost"), "secret"};
};

TEST_F(GlooxAdapter, C36C5TagsTheSocketOfEachConnectBeforeItsFirstByte) {
  ASSERT_EQ(::fcntl(listener->get(), F_SETFL, 0), 0);
  auto* connection = use(new GlooxConnection(app, client, "localhost", port));
  EXPECT_EQ(connection->socket(), -1);
  for (std::size_t round = 0; round < 2; ++round) {
    ASSERT_TRUE(client.connect(false));
    const auto server = accept();
    EXPECT_TRUE(connection->tagged());
    EXPECT_TRUE(connection->is_wake_capable());
    EXPECT_TRUE(std::holds_alternative<host::Tag>(peer.take(2).front()));
    EXPECT_NE(greeting(server).find("to='localhost'"), std::string::npos);
    EXPECT_EQ(client.recv(0), gloox::ConnNoError);  // nothing has come
    ::shutdown(server.get(), SHUT_RDWR);
    EXPECT_EQ(client.recv(), gloox::ConnStreamClosed);
    EXPECT_EQ(endings.last, gloox::ConnStreamClosed);
    EXPECT_EQ(connection->socket(), -1);
    EXPECT_FALSE(connection->is_wake_capable());
    peer.take(0);
  }
}

TEST_F(GlooxAdapter, TakesASocketOfTheCallerAlsoOneWithAHighNumberAndBlocksWithoutPolling) {
  ASSERT_EQ(::fcntl(listener->get(), F_SETFL, 0), 0);
  const auto made = app.connect_tcp("127.0.0.1", port, seconds(5));
  ASSERT_TRUE(made);
  const int high = ::fcntl(*made, F_DUPFD_CLOEXEC, 1500);  // over FD_SETSIZE, if the limit lets us
  ::close(*made);
  if (high < 0) GTEST_SKIP() << "the limit of descriptors is below 1,501";
  auto* connection = use(new GlooxConnection(app, client, high));
  const auto server = accept();
  std::thread talk([&] {
    greeting(server);
    say(server,
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
        "xmlns:stream='http://etherx.jabber.org/streams' id='1' from='localhost' "
        "version='1.0'><stream:features/>");
    ::shutdown(server.get(), SHUT_WR);
  });
  EXPECT_EQ(connection->socket(), -1);
  client.connect(true);  // returns when the server has ended it
  talk.join();
  EXPECT_EQ(connection->socket(), -1);
  EXPECT_FALSE(client.connect(false));  // the socket was good for one connection
}

TEST_F(GlooxAdapter, C4AnUntaggedConnectionWorksOnAndSaysWhy) {
  ASSERT_EQ(::fcntl(listener->get(), F_SETFL, 0), 0);
  peer.answer_with(TestHost::refuse(base::ErrorCode::kNotDeclared, "no voip"));
  auto* connection = use(new GlooxConnection(app, client, "127.0.0.1", port));
  ASSERT_TRUE(client.connect(false));
  const auto server = accept();
  ASSERT_FALSE(connection->tagged());
  EXPECT_EQ(connection->tagged().error().code, ErrorCode::kNotDeclared);
  EXPECT_NE(greeting(server), "");
  client.disconnect();
  EXPECT_EQ(connection->socket(), -1);
}

TEST_F(GlooxAdapter, TellsARefusedConnect) {
  listener->reset();
  use(new GlooxConnection(app, client, "127.0.0.1", port));
  EXPECT_FALSE(client.connect(false));
  EXPECT_EQ(endings.last, gloox::ConnConnectionRefused);
}

}  // namespace
}  // namespace wakeline::app::test
