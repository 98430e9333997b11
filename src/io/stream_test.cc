// SPDX-License-Identifier: Apache-2.0
#include "io/stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <optional>

#include "io/tcp_socket.h"
#include "io/testing.h"

namespace wakeline::io {
namespace {

using std::chrono::seconds;
using Connected = base::Result<std::unique_ptr<Stream>>;

/// What one stream gave its owner.
struct StreamInbox {
  void attach(Stream& stream) {
    stream.start([this](base::BytesView bytes) { text += base::as_text(bytes); },
                 [this](base::Error error) { ends.push_back(error.code); });
  }
  std::string text;
  std::vector<base::ErrorCode> ends;
};

base::Bytes bytes(std::string_view text) {
  const auto view = base::as_bytes(text);
  return {view.begin(), view.end()};
}

int option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  ::getsockopt(fd, level, name, &value, &size);
  return value;
}

/// A listener on a free port of the loopback, plain or TLS, and one connection to it.
class StreamTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      const std::string certificate = folder.file("certificate.pem");
      const std::string key = folder.file("key.pem");
      ASSERT_TRUE(make_self_signed(certificate, key, {"127.0.0.1", "localhost"}));
      server_tls = *TlsContext::server(certificate, key);
      client_tls = *TlsContext::client(certificate);
    }
    auto opened = Listener::open(loop, "127.0.0.1", 0, [this](UniqueFd socket) {
      server = accept_stream(loop, std::move(socket), server_tls);
      if (on_accepted) on_accepted();
    });
    ASSERT_TRUE(opened);
    listener = std::move(*opened);
  }

  ConnectOptions options() {
    ConnectOptions made;
    made.address = "127.0.0.1";
    made.port = listener->port();
    made.tls = client_tls;
    made.tls_name = "localhost";
    return made;
  }

  /// Connects both ends; the server's end is attached to `at_server`.
  void connect_both() {
    on_accepted = [this] { at_server.attach(*server); };
    std::optional<Connected> connected;
    const auto attempt =
        connect(loop, options(), [&](Connected result) { connected = std::move(result); });
    ASSERT_TRUE(run_until(loop, [&] { return connected && server; }));
    ASSERT_TRUE(*connected);
    client = std::move(**connected);
  }

  TestFolder folder;
  Loop loop;
  std::shared_ptr<TlsContext> server_tls;
  std::shared_ptr<TlsContext> client_tls;
  std::unique_ptr<Listener> listener;
  std::function<void()> on_accepted;
  std::unique_ptr<Stream> server;
  std::unique_ptr<Stream> client;
  StreamInbox at_server;
  StreamInbox at_client;
};

INSTANTIATE_TEST_SUITE_P(Plain, StreamTest, testing::Values(false));
INSTANTIATE_TEST_SUITE_P(Tls, StreamTest, testing::Values(true));

TEST_P(StreamTest, CarriesBytesBothWaysInOrder) {
  connect_both();
  at_client.attach(*client);
  std::string sent;
  for (int i = 0; i < 200; ++i) {
    const std::string part(1'000, static_cast<char>('a' + i % 26));
    client->write(bytes(part));
    server->write(bytes(part));
    sent += part;
  }
  EXPECT_TRUE(run_until(loop, [&] {
    return at_server.text.size() == sent.size() && at_client.text.size() == sent.size();
  }));
  EXPECT_EQ(at_server.text, sent);
  EXPECT_EQ(at_client.text, sent);
  EXPECT_EQ(client->unsent(), 0u);
  EXPECT_TRUE(at_client.ends.empty() && at_server.ends.empty());
}

TEST_P(StreamTest, KeepsWhatCameBeforeTheStart) {
  connect_both();
  server->write(bytes("early"));
  client->write(bytes("go"));
  ASSERT_TRUE(run_until(loop, [&] { return at_server.text == "go"; }));
  at_client.attach(*client);
  EXPECT_TRUE(run_until(loop, [&] { return at_client.text == "early"; }));
}

TEST_P(StreamTest, CloseSendsTheLastWordsAlsoWhenTheOwnerGoesAndInputIsUnread) {
  connect_both();
  client->write(bytes("never answered"));
  ASSERT_TRUE(run_until(loop, [&] { return !at_server.text.empty(); }));
  server->write(bytes(std::string(300'000, 'x')));
  client->write(bytes("unread by the server"));
  server->close();
  server.reset();
  at_client.attach(*client);
  EXPECT_TRUE(run_until(loop, [&] { return !at_client.ends.empty(); }));
  EXPECT_EQ(at_client.text.size(), 300'000u);
  EXPECT_EQ(at_client.ends, std::vector{base::ErrorCode::kClosed});
  EXPECT_TRUE(at_server.ends.empty());
}

TEST_P(StreamTest, AnswersAPeerThatClosedItsHalf) {
  connect_both();
  at_client.attach(*client);
  client->write(bytes("question"));
  client->close();
  ASSERT_TRUE(run_until(loop, [&] { return !at_server.ends.empty(); }));
  EXPECT_EQ(at_server.text, "question");
  EXPECT_EQ(at_server.ends, std::vector{base::ErrorCode::kClosed});
  EXPECT_NE(server->fd(), -1);
  server->write(bytes("answer"));
  server->close();
  loop.post([&] { listener.reset(); });
  loop.run();
  EXPECT_TRUE(at_client.ends.empty());
  EXPECT_EQ(at_server.ends.size(), 1u);
}

TEST_P(StreamTest, TellsTheEndWhenThePeerIsDestroyed) {
  connect_both();
  at_client.attach(*client);
  server.reset();
  EXPECT_TRUE(run_until(loop, [&] { return !at_client.ends.empty(); }));
  EXPECT_EQ(at_client.ends, std::vector{base::ErrorCode::kClosed});
}

TEST_P(StreamTest, EndsWithTooLargeForAPeerThatNeverReads) {
  connect_both();
  at_client.attach(*client);
  // Within one handler, so that the server cannot read meanwhile.
  for (int i = 0; i < 64 && client->unsent() <= kUnsentMax; ++i) {
    client->write(bytes(std::string(kUnsentMax / 4, 'x')));
  }
  ASSERT_GT(client->unsent(), kUnsentMax);
  EXPECT_TRUE(at_client.ends.empty());
  EXPECT_TRUE(run_until(loop, [&] { return !at_client.ends.empty(); }));
  EXPECT_EQ(at_client.ends, std::vector{base::ErrorCode::kTooLarge});
}

TEST_P(StreamTest, LeavesAPeerWaitingWhileItIsPaused) {
  connect_both();
  std::string text;
  bool paused = false;
  std::vector<base::ErrorCode> ends;
  client->start(
      [&](base::BytesView bytes) {
        EXPECT_FALSE(paused);
        text += base::as_text(bytes);
        client->pause();
        paused = true;
      },
      [&](base::Error error) {
        EXPECT_FALSE(paused);
        ends.push_back(error.code);
      });
  client->write(bytes("go"));
  ASSERT_TRUE(run_until(loop, [&] { return at_server.text == "go"; }));
  const std::size_t size = 200'000;
  server->write(bytes(std::string(size, 'x')));
  server->close();
  const auto go_on = [&] {
    paused = false;
    client->resume();
  };
  std::size_t reads = 0;
  for (; text.size() < size; ++reads) {
    const std::size_t before = text.size();
    ASSERT_TRUE(run_until(loop, [&] { return text.size() > before; }));
    run_ready(loop);  // what would be read next, were it not paused
    go_on();
  }
  EXPECT_GT(reads, 5u);
  EXPECT_TRUE(run_until(loop, [&] { return !ends.empty(); }));
  EXPECT_EQ(ends, std::vector{base::ErrorCode::kClosed});
}

TEST_P(StreamTest, TellsOnceWhenEverythingWasSent) {
  connect_both();
  int told = 0;
  for (int i = 0; i < 64 && client->unsent() == 0; ++i) {
    client->write(bytes(std::string(kUnsentMax / 4, 'x')));
  }
  ASSERT_GT(client->unsent(), 0u);
  client->when_sent([&] {
    EXPECT_EQ(client->unsent(), 0u);
    ++told;
  });
  EXPECT_EQ(told, 0);
  ASSERT_TRUE(run_until(loop, [&] { return told > 0; }));
  client->when_sent([&] { ++told; });  // nothing waits
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(run_until(loop, [&] { return told == 2; }));
  client->write(bytes("more"));
  run_ready(loop);
  EXPECT_EQ(told, 2);
  client->when_sent([&] { client.reset(); });
  EXPECT_TRUE(run_until(loop, [&] { return client == nullptr; }));
}

TEST_P(StreamTest, MayBeDestroyedInEitherHandler) {
  connect_both();
  client->start([&](base::BytesView) { client.reset(); },
                [](base::Error) { FAIL() << "no handler after its owner went"; });
  server->start([](base::BytesView) {}, [&](base::Error) { server.reset(); });
  server->write(bytes("one"));
  EXPECT_TRUE(run_until(loop, [&] { return !client && !server; }));
}

TEST_P(StreamTest, CloseInAHandlerCallsNoHandlerAnyMore) {
  connect_both();
  client->start([&](base::BytesView) { client->close(); },
                [](base::Error) { FAIL() << "no handler after close"; });
  server->write(bytes("one"));
  EXPECT_TRUE(run_until(loop, [&] { return !at_server.ends.empty(); }));
  server.reset();
  run_ready(loop);
}

TEST_P(StreamTest, NamesThePeerAndItsOwnDescriptor) {
  connect_both();
  EXPECT_EQ(client->peer(), "127.0.0.1:" + std::to_string(listener->port()));
  for (const Stream* stream : {client.get(), server.get()}) {
    EXPECT_EQ(::fcntl(stream->fd(), F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(option(stream->fd(), IPPROTO_TCP, TCP_NODELAY), 1);
  }
}

TEST_P(StreamTest, ShowsTheDescriptorAfterTcpAndSetsTheKernelsKeepAlive) {
  int seen = -1;
  auto wanted = options();
  wanted.keep_alive = {seconds(240), seconds(10), 3};
  wanted.on_connected_fd = [&](int fd) { seen = fd; };
  on_accepted = [this] { at_server.attach(*server); };
  const auto attempt =
      connect(loop, wanted, [&](Connected result) { client = std::move(*result); });
  ASSERT_TRUE(run_until(loop, [&] { return client != nullptr; }));
  EXPECT_EQ(seen, client->fd());
  EXPECT_EQ(option(seen, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(seen, IPPROTO_TCP, TCP_KEEPIDLE), 213);  // 240 at the latest
  EXPECT_EQ(option(seen, IPPROTO_TCP, TCP_KEEPINTVL), 10);
  EXPECT_EQ(option(seen, IPPROTO_TCP, TCP_KEEPCNT), 3);
  EXPECT_EQ(option(seen, IPPROTO_TCP, TCP_USER_TIMEOUT), 270'000);
  ASSERT_TRUE(set_keep_alive(seen, {}));
  EXPECT_EQ(option(seen, SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(option(seen, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
}

TEST_P(StreamTest, ADestroyedAttemptCallsNothing) {
  auto attempt = connect(loop, options(), [](const Connected&) { FAIL() << "cancelled"; });
  attempt.reset();
  auto half_way = connect(loop, options(), [](const Connected&) { FAIL() << "cancelled"; });
  on_accepted = [&] { half_way.reset(); };
  ASSERT_TRUE(run_until(loop, [&] { return half_way == nullptr; }));
  run_ready(loop);
}

TEST_P(StreamTest, ConnectingWhereNobodyListensIsUnreachable) {
  auto wanted = options();
  listener.reset();
  std::optional<base::ErrorCode> code;
  const auto refused = connect(loop, wanted, [&](Connected result) { code = result.error().code; });
  EXPECT_FALSE(code);
  ASSERT_TRUE(run_until(loop, [&] { return code.has_value(); }));
  EXPECT_EQ(code, base::ErrorCode::kUnreachable);

  code.reset();
  wanted.address = "localhost";
  const auto named = connect(loop, wanted, [&](Connected result) { code = result.error().code; });
  ASSERT_TRUE(run_until(loop, [&] { return code.has_value(); }));
  EXPECT_EQ(code, base::ErrorCode::kInvalidArgument);
}

TEST_P(StreamTest, APortInUseAndAnAddressOfAnotherMachineAreRefused) {
  const auto open = [&](const std::string& address, std::uint16_t port) {
    const auto opened = Listener::open(loop, address, port, [](UniqueFd) {});
    return opened ? base::ErrorCode::kOk : opened.error().code;
  };
  EXPECT_EQ(open("127.0.0.1", listener->port()), base::ErrorCode::kAddressInUse);
  EXPECT_EQ(open("192.0.2.1", 0), base::ErrorCode::kInvalidArgument);
  EXPECT_EQ(open("not an address", 0), base::ErrorCode::kInvalidArgument);
  const std::uint16_t port = listener->port();
  connect_both();
  server.reset();  // leaves its end in TIME_WAIT
  client.reset();
  listener.reset();
  EXPECT_EQ(open("127.0.0.1", port), base::ErrorCode::kOk);
}

TEST(Stream, CloseGivesUpOnAPeerThatNeverReads) {
  Loop loop;
  // Connections wait in the listener's queue: nobody accepts them, nobody reads.
  const auto endpoint = *tcp_endpoint("127.0.0.1", 0);
  const auto fd = *tcp_socket(endpoint);
  ASSERT_EQ(::bind(fd.get(), endpoint.data(), endpoint.size()), 0);
  ASSERT_EQ(::listen(fd.get(), 1), 0);
  boost::asio::ip::tcp::endpoint bound;
  auto size = static_cast<socklen_t>(bound.capacity());
  ASSERT_EQ(::getsockname(fd.get(), bound.data(), &size), 0);

  ConnectOptions options;
  options.address = "127.0.0.1";
  options.port = bound.port();
  std::unique_ptr<Stream> client;
  const auto attempt = connect(loop, options, [&](Connected done) { client = std::move(*done); });
  ASSERT_TRUE(run_until(loop, [&] { return client != nullptr; }));
  for (int i = 0; i < 64 && client->unsent() == 0; ++i) {
    client->write(bytes(std::string(kUnsentMax / 2, 'x')));
  }
  ASSERT_GT(client->unsent(), 0u);
  client->close();
  client.reset();
  const base::Instant before = now();
  loop.run();
  EXPECT_GE(now() - before, std::chrono::milliseconds(1'900));
}

}  // namespace
}  // namespace wakeline::io
