// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <wakeline/stream.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <stdexcept>
#include <thread>

#include "app/host_testing.h"
#include "app/stream_testing.h"

namespace wakeline::app::test {
namespace {

using Events = std::vector<StreamEvent>;
using enum StreamEvent;

class StreamTest : public testing::Test {
 protected:
  StreamPair to_peer(const std::string& host = "localhost") {
    auto made = StreamPair::to_host(app, host, port);
    WL_CHECK(made.has_value());
    return std::move(*made);
  }
  void open(StreamPair& stream) {
    const auto opened = stream.open(loop, [this](StreamEvent event) { events.push_back(event); });
    ASSERT_TRUE(opened) << opened.error().message;
  }
  StreamPeer accept() const { return StreamPeer(listener->get()); }
  bool wait_for(StreamEvent event) {
    return dispatch_until(loop, [&] { return std::ranges::find(events, event) != events.end(); });
  }
  /// What was told since the last call.
  Events take() { return std::exchange(events, {}); }
  /// Reads until `size` bytes are there.
  std::string read(StreamPair& stream, std::size_t size) {
    std::string text;
    dispatch_until(loop, [&] {
      std::string block(std::min<std::size_t>(size - text.size(), 65'536), 0);
      const auto got = stream.read(block.data(), block.size());
      if (got) text.append(block, 0, *got);
      return !got || text.size() == size;
    });
    return text;
  }
  /// Runs what is due until nothing is.
  void settle() {
    while (loop.dispatch() > 0) {
    }
  }

  io::TestFolder folder;
  TestHost peer{folder.file("host.sock")};
  App app = std::move(*App::create({.host_path = folder.file("host.sock")}));
  RunLoop loop = std::move(*RunLoop::create());
  base::Result<io::UniqueFd> listener = io::listen_tcp("127.0.0.1", 0);
  std::uint16_t port = io::port_of(listener->get());
  Events events;
};

TEST_F(StreamTest, TakesTheLongestOpenTimeout) {
  auto stream = to_peer();
  ASSERT_TRUE(stream.set_open_timeout(milliseconds::max()));
  open(stream);
  ASSERT_TRUE(wait_for(kCanAcceptBytes));
  EXPECT_EQ(take(), (Events{kOpenCompleted, kCanAcceptBytes}));
}

TEST_F(StreamTest, C32TellsOfOpeningSpaceBytesAndEndInTheirOrder) {
  auto stream = to_peer();
  EXPECT_EQ(stream.state(), StreamState::kNotOpen);
  EXPECT_EQ(code(stream.read(nullptr, 1)), ErrorCode::kWrongState);
  EXPECT_EQ(code(stream.write("x")), ErrorCode::kWrongState);
  open(stream);
  ASSERT_TRUE(wait_for(kCanAcceptBytes));
  EXPECT_EQ(take(), (Events{kOpenCompleted, kCanAcceptBytes}));
  EXPECT_EQ(stream.state(), StreamState::kOpen);
  auto server = accept();
  EXPECT_EQ(*stream.write("hello"), 5u);
  EXPECT_EQ(server.receive(5), "hello");
  server.send("answer");
  ASSERT_TRUE(wait_for(kHasBytesAvailable));
  EXPECT_EQ(take(), Events{kHasBytesAvailable});
  EXPECT_EQ(read(stream, 6), "answer");
  server.finish();
  ASSERT_TRUE(wait_for(kEndEncountered));
  EXPECT_EQ(take(), Events{kEndEncountered});
  EXPECT_EQ(stream.state(), StreamState::kAtEnd);
  char byte = 0;
  EXPECT_EQ(code(stream.read(&byte, 1)), ErrorCode::kClosed);
  EXPECT_EQ(*stream.write("last"), 4u);  // the peer has closed its half alone
  EXPECT_EQ(server.receive(4), "last");
  settle();
  EXPECT_EQ(take(), Events{});
}

TEST_F(StreamTest, C3TagsAStreamForVoipBeforeItIsOpenAndUntagsItAtTheEnd) {
  auto stream = to_peer();
  EXPECT_EQ(code(stream.tagged()), ErrorCode::kWrongState);
  ASSERT_TRUE(stream.set_service_type(ServiceType::kVoip));
  open(stream);
  EXPECT_EQ(code(stream.set_service_type(ServiceType::kDefault)), ErrorCode::kWrongState);
  ASSERT_TRUE(wait_for(kOpenCompleted));
  EXPECT_TRUE(std::holds_alternative<host::Tag>(peer.take(1).front()));
  EXPECT_TRUE(stream.tagged());
  EXPECT_TRUE(stream.is_wake_capable());
  EXPECT_TRUE(app.is_wake_capable(stream.fd()));
  peer.take(2);
  int on = 0;
  socklen_t size = sizeof on;
  ::getsockopt(stream.fd(), SOL_SOCKET, SO_KEEPALIVE, &on, &size);
  EXPECT_EQ(on, 1);  // C39
  stream.close();
  EXPECT_EQ(stream.fd(), -1);
  EXPECT_TRUE(std::holds_alternative<host::Untag>(peer.take(1).front()));
  EXPECT_FALSE(stream.is_wake_capable());
  EXPECT_EQ(code(stream.open(loop, [](StreamEvent) {})), ErrorCode::kWrongState);
}

TEST_F(StreamTest, C4AStreamWhoseTagIsRefusedWorksUntagged) {
  peer.answer_with(TestHost::refuse(base::ErrorCode::kNotDeclared, "no voip"));
  auto stream = to_peer();
  ASSERT_TRUE(stream.set_service_type(ServiceType::kVoip));
  open(stream);
  ASSERT_TRUE(wait_for(kCanAcceptBytes));
  EXPECT_EQ(code(stream.tagged()), ErrorCode::kNotDeclared);
  EXPECT_FALSE(stream.is_wake_capable());
  EXPECT_EQ(*stream.write("on"), 2u);
  EXPECT_EQ(accept().receive(2), "on");
}

TEST_F(StreamTest, RefusesWhatIsNoConnectionByItsOwnError) {
  using enum ErrorCode;
  const auto over = [&](int fd) {
    return code(StreamPair::over_socket(app, fd, SocketOwner::kApp));
  };
  EXPECT_EQ(over(-1), kNotSocket);
  io::UniqueFd udp(::socket(AF_INET, SOCK_DGRAM, 0));
  EXPECT_EQ(over(udp.get()), kNotTcp);
  EXPECT_EQ(over(listener->get()), kListening);
  io::UniqueFd tcp(::socket(AF_INET, SOCK_STREAM, 0));
  EXPECT_EQ(over(tcp.get()), kNotConnected);
  const int closed = tcp.get();
  tcp.reset();
  EXPECT_EQ(over(closed), kNotSocket);
  EXPECT_EQ(code(StreamPair::to_host(app, "", 1)), kInvalidArgument);
  EXPECT_EQ(code(StreamPair::to_host(app, "localhost", 0)), kInvalidArgument);
  auto stream = to_peer();
  EXPECT_EQ(code(stream.open(loop, nullptr)), kNoHandler);
}

TEST_F(StreamTest, C7OverASocketOfTheAppLeavesItItsFlagsItsBytesAndItsLife) {
  const io::UniqueFd own(*app.connect_tcp("127.0.0.1", port, seconds(5)));
  auto server = accept();
  auto stream = std::move(*StreamPair::over_socket(app, own.get(), SocketOwner::kApp));
  ASSERT_TRUE(stream.set_service_type(ServiceType::kVoip));
  open(stream);
  ASSERT_TRUE(wait_for(kOpenCompleted));
  EXPECT_TRUE(stream.is_wake_capable());
  EXPECT_EQ(stream.fd(), own.get());
  EXPECT_EQ(::fcntl(own.get(), F_GETFL) & O_NONBLOCK, 0);
  server.send("for the app");
  ASSERT_TRUE(wait_for(kHasBytesAvailable));
  std::string text(11, 0);
  EXPECT_EQ(::recv(own.get(), text.data(), text.size(), MSG_WAITALL), 11);
  EXPECT_EQ(text, "for the app");
  EXPECT_EQ(*stream.read(text.data(), 1), 0u);  // nothing left, and it does not block
  stream.close();
  EXPECT_EQ(::send(own.get(), "still", 5, MSG_NOSIGNAL), 5);
  EXPECT_EQ(server.receive(5), "still");
}

TEST_F(StreamTest, TellsAFailedOpeningAsAnEvent) {
  listener->reset();
  auto refused = to_peer("127.0.0.1");
  open(refused);
  ASSERT_TRUE(wait_for(kErrorOccurred));
  EXPECT_EQ(take(), Events{kErrorOccurred});
  EXPECT_EQ(refused.state(), StreamState::kError);
  EXPECT_EQ(refused.error()->code, ErrorCode::kUnreachable);
  EXPECT_EQ(code(refused.write("x")), ErrorCode::kUnreachable);
  auto unknown = to_peer("no-such-name.invalid");
  open(unknown);
  ASSERT_TRUE(wait_for(kErrorOccurred));
  EXPECT_EQ(unknown.error()->code, ErrorCode::kUnreachable);
  EXPECT_NE(unknown.error()->message.find("no-such-name.invalid"), std::string::npos);
}

TEST_F(StreamTest, ASocketThatTheAppClosedBeforeTheOpeningIsAnError) {
  io::UniqueFd own(*app.connect_tcp("127.0.0.1", port, seconds(5)));
  auto stream = std::move(*StreamPair::over_socket(app, own.get(), SocketOwner::kApp));
  ASSERT_TRUE(stream.set_service_type(ServiceType::kVoip));
  own.reset();
  open(stream);
  ASSERT_TRUE(wait_for(kErrorOccurred));
  EXPECT_EQ(stream.state(), StreamState::kError);
}

TEST_F(StreamTest, C35AResetGivesItsLastBytesFirstAndThenTheError) {
  auto stream = to_peer();
  open(stream);
  ASSERT_TRUE(wait_for(kCanAcceptBytes));
  auto server = accept();
  server.send("why");
  ASSERT_TRUE(wait_for(kHasBytesAvailable));
  server.reset();
  EXPECT_EQ(read(stream, 3), "why");
  ASSERT_TRUE(wait_for(kErrorOccurred));
  EXPECT_EQ(stream.error()->code, ErrorCode::kClosed);
  char byte = 0;
  EXPECT_EQ(code(stream.read(&byte, 1)), ErrorCode::kClosed);
}

TEST_F(StreamTest, C35WritingToAPeerThatIsGoneRaisesNoSignal) {
  std::signal(SIGPIPE, SIG_DFL);  // it would end this program
  auto stream = to_peer();
  open(stream);
  ASSERT_TRUE(wait_for(kCanAcceptBytes));
  accept().reset();
  Result<std::size_t> wrote(std::size_t{0});
  while ((wrote = stream.write("x"))) settle();
  EXPECT_EQ(wrote.error().code, ErrorCode::kClosed);
  ASSERT_TRUE(wait_for(kErrorOccurred));
}

TEST_F(StreamTest, C32LateEventsOfAClosedStreamAreDropped) {
  auto stream = to_peer();
  open(stream);
  ASSERT_TRUE(wait_for(kCanAcceptBytes));
  take();
  auto server = accept();
  server.send("late");
  pollfd waited{loop.fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&waited, 1, 10'000), 1);  // it is there, and not yet told
  stream.close();
  settle();
  EXPECT_EQ(take(), Events{});
  auto opening = to_peer();
  open(opening);
  opening.close();
  settle();
  EXPECT_EQ(take(), Events{});
}

TEST_F(StreamTest, MayBeClosedOrDestroyedInItsOwnHandler) {
  std::optional<StreamPair> stream = to_peer();
  ASSERT_TRUE(stream->open(loop, [&](StreamEvent event) {
    events.push_back(event);
    stream->close();
    stream.reset();
  }));
  ASSERT_TRUE(wait_for(kOpenCompleted));
  EXPECT_EQ(accept().receive(1), "");  // closed in order
  settle();
  EXPECT_EQ(take(), Events{kOpenCompleted});
}

TEST_F(StreamTest, GoesOnAfterAnExceptionOfItsHandler) {
  auto stream = to_peer();
  ASSERT_TRUE(stream.open(loop, [&](StreamEvent event) {
    events.push_back(event);
    if (event == kOpenCompleted) throw std::runtime_error("the app's own");
  }));
  EXPECT_THROW(wait_for(kCanAcceptBytes), std::runtime_error);
  ASSERT_TRUE(wait_for(kCanAcceptBytes));
  EXPECT_EQ(take(), (Events{kOpenCompleted, kCanAcceptBytes}));
}

TEST_F(StreamTest, IsQuietWhileBytesAreLeftUnread) {
  auto stream = to_peer();
  open(stream);
  ASSERT_TRUE(wait_for(kCanAcceptBytes));
  auto server = accept();
  server.send("ab");
  ASSERT_TRUE(wait_for(kHasBytesAvailable));
  take();
  server.send("c");
  server.close();
  settle();
  pollfd waited{loop.fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&waited, 1, 100), 0);  // no loop turns for what nobody reads
  char byte = 0;
  EXPECT_EQ(*stream.read(&byte, 1), 1u);
  ASSERT_TRUE(wait_for(kHasBytesAvailable));
  EXPECT_EQ(read(stream, 2), "bc");
  ASSERT_TRUE(wait_for(kEndEncountered));
}

/// The parameter: with TLS.
class StreamBytes : public StreamTest, public testing::WithParamInterface<bool> {
 protected:
  void connect(StreamPair& stream, std::optional<StreamPeer>& server) {
    const TestCertificate certificate(folder.path(), "server", {"localhost"});
    if (GetParam()) {
      ASSERT_TRUE(stream.use_tls({.ca_file = certificate.file}));
    }
    open(stream);
    std::thread accepting([&] {
      server.emplace(listener->get());
      if (GetParam()) {
        EXPECT_TRUE(server->start_tls(certificate));
      }
    });
    EXPECT_TRUE(wait_for(kCanAcceptBytes));
    accepting.join();
    EXPECT_EQ(take(), (Events{kOpenCompleted, kCanAcceptBytes}));
  }
};
INSTANTIATE_TEST_SUITE_P(Tls, StreamBytes, testing::Bool(),
                         [](const auto& with) { return with.param ? "tls" : "plain"; });

TEST_P(StreamBytes, ComeWholeAndInOrderBothWaysAlsoWhenTheyAreMany) {
  auto stream = to_peer();
  std::optional<StreamPeer> server;
  connect(stream, server);
  std::string text(2 << 20, 0);
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 131 >> 7);
  // The peer sends back what it has, only when all of it has come.
  std::thread echo([&] { EXPECT_TRUE(server->send(server->receive(text.size()))); });
  std::size_t sent = 0;
  bool waited = false;
  ASSERT_TRUE(dispatch_until(loop, [&] {
    if (waited && take().empty()) return false;
    const auto took = stream.write(std::string_view(text).substr(sent));
    WL_CHECK(took.has_value());
    sent += *took;
    waited = sent < text.size();
    return !waited;
  }));
  EXPECT_TRUE(read(stream, text.size()) == text);
  echo.join();
  server->finish();
  EXPECT_TRUE(wait_for(kEndEncountered));
}

TEST_P(StreamBytes, WaitInTheStreamForASmallRead) {
  auto stream = to_peer();
  std::optional<StreamPeer> server;
  connect(stream, server);
  server->send("abc");
  ASSERT_TRUE(wait_for(kHasBytesAvailable));
  std::string all;
  while (all != "abc") {
    ASSERT_TRUE(wait_for(kHasBytesAvailable)) << all;
    take();
    char byte = 0;
    const auto got = stream.read(&byte, 1);
    ASSERT_TRUE(got);
    ASSERT_EQ(*got, 1u);
    all += byte;
    if (all != "abc" && GetParam()) events.push_back(kHasBytesAvailable);  // one record is held
  }
  settle();
  EXPECT_EQ(take(), Events{});
}

TEST_P(StreamBytes, MayBeWrittenReadAndClosedByOtherThreads) {
  auto stream = to_peer();
  std::optional<StreamPeer> server;
  connect(stream, server);
  std::atomic<bool> inside = false;
  std::thread running([&] { loop.run(); });
  loop.post([&] { inside = true; });
  std::thread talking([&] {
    for (int i = 0; i < 1000; ++i) static_cast<void>(stream.write("ping"));
  });
  std::thread reading([&] {
    std::array<char, 64> block;
    for (int i = 0; i < 1000; ++i) static_cast<void>(stream.read(block.data(), block.size()));
  });
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(server->send("pong"));
  talking.join();
  reading.join();
  stream.close();
  const std::size_t told = events.size();  // nobody tells any more
  loop.post([&] { loop.stop(); });
  running.join();
  EXPECT_EQ(events.size(), told);
}

TEST_F(StreamTest, CloseWaitsForTheHandlerThatIsRunningElsewhere) {
  auto stream = to_peer();
  std::atomic<int> step = 0;
  ASSERT_TRUE(stream.open(loop, [&](StreamEvent) {
    step = 1;
    step.notify_all();
    std::this_thread::sleep_for(milliseconds(50));  // stands for work
    step = 2;
  }));
  std::thread running([&] { loop.run(); });
  step.wait(0);
  stream.close();
  EXPECT_EQ(step, 2);
  loop.stop();
  running.join();
}

}  // namespace
}  // namespace wakeline::app::test
