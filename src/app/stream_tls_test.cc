// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <wakeline/stream.h>

#include <algorithm>
#include <thread>

#include "app/host_testing.h"
#include "app/stream_testing.h"

namespace wakeline::app::test {
namespace {

using Events = std::vector<StreamEvent>;
using enum StreamEvent;

class StreamTls : public testing::Test {
 protected:
  StreamPair to_peer() { return std::move(*StreamPair::to_host(app, "localhost", port)); }
  void open(StreamPair& stream) {
    ASSERT_TRUE(stream.open(loop, [this](StreamEvent event) { events.push_back(event); }));
  }
  bool wait_for(StreamEvent event) {
    return dispatch_until(loop, [&] { return std::ranges::find(events, event) != events.end(); });
  }
  Events take() { return std::exchange(events, {}); }
  /// The server's handshake, in a thread of its own. It is over when this is destroyed.
  std::jthread shake(StreamPeer& server, const TestCertificate& shown, bool succeeds = true) {
    return std::jthread([&server, &shown, succeeds] {
      EXPECT_EQ(server.start_tls(shown), succeeds);
      if (!succeeds) server.close();
    });
  }
  ErrorCode failure_with(const TestCertificate& shown, const TlsOptions& options) {
    auto stream = to_peer();
    WL_CHECK(stream.use_tls(options).has_value());
    open(stream);
    std::jthread serving([&] {
      StreamPeer server(listener->get());
      server.start_tls(shown);
      server.receive(1);
    });
    EXPECT_TRUE(wait_for(kErrorOccurred));
    EXPECT_EQ(take(), Events{kErrorOccurred});
    const auto error = stream.error();
    stream.close();
    return error ? error->code : ErrorCode::kOk;
  }

  io::TestFolder folder;
  App app = std::move(*App::create({.host_path = folder.file("none.sock")}));
  RunLoop loop = std::move(*RunLoop::create());
  base::Result<io::UniqueFd> listener = io::listen_tcp("127.0.0.1", 0);
  std::uint16_t port = io::port_of(listener->get());
  TestCertificate certificate{folder.path(), "server", {"localhost"}};
  Events events;
};

TEST_F(StreamTls, RefusesACertificateOfAnotherNameOrAuthority) {
  const TestCertificate other(folder.path(), "other", {"localhost"});
  EXPECT_EQ(failure_with(certificate, {.ca_file = other.file}), ErrorCode::kTls);
  EXPECT_EQ(failure_with(certificate, {.name = "bank.example", .ca_file = certificate.file}),
            ErrorCode::kTls);
}

TEST_F(StreamTls, RefusesOptionsThatCannotBe) {
  auto stream = to_peer();
  EXPECT_EQ(code(stream.use_tls({.ca_file = folder.file("absent.pem")})), ErrorCode::kNotFound);
  const io::UniqueFd own(*app.connect_tcp("localhost", port, seconds(5)));
  auto over = std::move(*StreamPair::over_socket(app, own.get(), SocketOwner::kApp));
  EXPECT_EQ(code(over.use_tls({.ca_file = certificate.file})), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(stream.use_tls({.ca_file = certificate.file}));
  EXPECT_EQ(code(stream.use_tls({.ca_file = certificate.file})), ErrorCode::kWrongState);
  stream.close();
}

TEST_F(StreamTls, C32BeginsOnAnOpenPlainStream) {
  auto stream = to_peer();
  open(stream);
  ASSERT_TRUE(wait_for(kCanAcceptBytes));
  StreamPeer server(listener->get());
  ASSERT_TRUE(stream.write("STARTTLS\n"));
  EXPECT_EQ(server.receive(9), "STARTTLS\n");
  server.send("OK\n");
  ASSERT_TRUE(wait_for(kHasBytesAvailable));
  std::string consent(16, 0);
  EXPECT_EQ(*stream.read(consent.data(), consent.size()), 3u);
  take();
  {
    ASSERT_TRUE(stream.use_tls({.ca_file = certificate.file}));
    EXPECT_EQ(*stream.write("too early"), 0u);  // nothing leaves in clear
    const auto shaking = shake(server, certificate);
    ASSERT_TRUE(wait_for(kCanAcceptBytes));
  }
  EXPECT_EQ(take(), Events{kCanAcceptBytes});
  EXPECT_EQ(*stream.write("secret"), 6u);
  EXPECT_EQ(server.receive(6), "secret");
  server.send("kept");
  ASSERT_TRUE(wait_for(kHasBytesAvailable));
  EXPECT_EQ(*stream.read(consent.data(), consent.size()), 4u);
  EXPECT_EQ(consent.substr(0, 4), "kept");
}

TEST_F(StreamTls, TakesNoBytesInClearThatCameWithTheConsentForBytesOfTls) {
  auto stream = to_peer();
  open(stream);
  ASSERT_TRUE(wait_for(kCanAcceptBytes));
  StreamPeer server(listener->get());
  server.send("OK\nEVIL COMMAND\n");
  ASSERT_TRUE(wait_for(kHasBytesAvailable));
  std::string consent(3, 0);
  EXPECT_EQ(*stream.read(consent.data(), 3), 3u);
  ASSERT_TRUE(stream.use_tls({.ca_file = certificate.file}).has_value() ||
              stream.state() == StreamState::kError);
  ASSERT_TRUE(wait_for(kErrorOccurred));
  EXPECT_EQ(stream.error()->code, ErrorCode::kTls);
  EXPECT_FALSE(stream.read(consent.data(), 3));
}

TEST_F(StreamTls, APeerThatNeverAnswersTheHandshakeRunsIntoTheTimeout) {
  auto stream = to_peer();
  ASSERT_TRUE(stream.use_tls({.ca_file = certificate.file}));
  ASSERT_TRUE(stream.set_open_timeout(milliseconds(200)));
  open(stream);
  ASSERT_TRUE(wait_for(kErrorOccurred));
  EXPECT_EQ(stream.error()->code, ErrorCode::kTimeout);
  EXPECT_EQ(take(), Events{kErrorOccurred});
  EXPECT_EQ(code(stream.set_open_timeout(seconds(1))), ErrorCode::kWrongState);
}

TEST_F(StreamTls, GarbageInsteadOfAHandshakeIsAnError) {
  auto stream = to_peer();
  ASSERT_TRUE(stream.use_tls({.ca_file = certificate.file}));
  open(stream);
  StreamPeer server(listener->get());
  server.send("HTTP/1.1 400 Bad Request\r\n\r\n");
  ASSERT_TRUE(wait_for(kErrorOccurred));
  EXPECT_EQ(stream.error()->code, ErrorCode::kTls);
}

}  // namespace
}  // namespace wakeline::app::test
