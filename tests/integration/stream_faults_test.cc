// SPDX-License-Identifier: Apache-2.0
// Streams through a proxy that does to them what networks do.
#include <gtest/gtest.h>
#include <wakeline/stream.h>

#include <algorithm>
#include <thread>

#include "../support/fault_proxy.h"
#include "app/host_testing.h"
#include "app/stream_testing.h"
#include "io/testing.h"

namespace wakeline::app::test {
namespace {

using enum StreamEvent;
using std::chrono::milliseconds;
using Faults = wakeline::test::FaultProxy::Faults;

class StreamFaults : public testing::Test {
 protected:
  StreamPair to_proxy() { return std::move(*StreamPair::to_host(app, "localhost", proxy.port())); }
  void open(StreamPair& stream) {
    ASSERT_TRUE(stream.open(loop, [this](StreamEvent event) { events.push_back(event); }));
  }
  bool wait_for(StreamEvent event) {
    return dispatch_until(loop, [&] { return std::ranges::find(events, event) != events.end(); });
  }
  std::string read(StreamPair& stream, std::size_t size) {
    std::string text;
    dispatch_until(loop, [&] {
      std::string block(size - text.size(), 0);
      const auto got = stream.read(block.data(), block.size());
      if (got) text.append(block, 0, *got);
      return !got || text.size() == size;
    });
    return text;
  }
  /// Gives all of it to the stream.
  bool write(StreamPair& stream, std::string_view text) {
    return dispatch_until(loop, [&] {
      const auto took = stream.write(text);
      if (took) text.remove_prefix(*took);
      return !took || text.empty();
    });
  }
  /// The server's thread: it sends back what comes, until the end.
  std::jthread echo(const TestCertificate* shown = nullptr) {
    return std::jthread([this, shown] {
      StreamPeer server(listener->get());
      const bool fine = shown == nullptr || server.start_tls(*shown);
      EXPECT_TRUE(fine);
      for (std::string got; !(got = server.receive(1)).empty();) server.send(got);
    });
  }
  /// Bytes of every value, no two blocks alike.
  static std::string pattern(std::size_t size) {
    std::string text;
    for (std::size_t i = 0; i < size; ++i) text += static_cast<char>(i ^ (i >> 8));
    return text;
  }

  io::TestFolder folder;
  App app = std::move(*App::create({.host_path = folder.file("none.sock")}));
  RunLoop loop = std::move(*RunLoop::create());
  base::Result<io::UniqueFd> listener = io::listen_tcp("127.0.0.1", 0);
  wakeline::test::FaultProxy proxy{io::port_of(listener->get())};
  TestCertificate certificate{folder.path(), "server", {"localhost"}};
  std::vector<StreamEvent> events;
};

TEST_F(StreamFaults, C32CarryEveryByteInOrderOverAPathOfBytesOneByOne) {
  proxy.set({.byte_by_byte = true});
  const auto serving = echo();
  auto stream = to_proxy();
  open(stream);
  ASSERT_TRUE(wait_for(kOpenCompleted));
  const std::string text = pattern(5'000);
  ASSERT_TRUE(write(stream, text));
  EXPECT_TRUE(read(stream, text.size()) == text);
  stream.close();
}

TEST_F(StreamFaults, C32ShakeHandsAndSpeakTlsOverAPathOfBytesOneByOneAndLate) {
  proxy.set({.delay = milliseconds(20), .byte_by_byte = true});
  const auto serving = echo(&certificate);
  auto stream = to_proxy();
  ASSERT_TRUE(stream.use_tls({.ca_file = certificate.file}));
  open(stream);
  ASSERT_TRUE(wait_for(kOpenCompleted)) << (stream.error() ? stream.error()->message : "");
  const std::string text = pattern(3'000);
  ASSERT_TRUE(write(stream, text));
  EXPECT_TRUE(read(stream, text.size()) == text);
  stream.close();
}

TEST_F(StreamFaults, TellAResetAndAnEndApartAndGiveWhatCameBefore) {
  for (const bool reset : {true, false}) {
    events.clear();
    auto stream = to_proxy();
    open(stream);
    ASSERT_TRUE(wait_for(kCanAcceptBytes));
    StreamPeer server(listener->get());
    server.send("last words");
    ASSERT_TRUE(wait_for(kHasBytesAvailable));
    EXPECT_EQ(read(stream, 10), "last words");
    reset ? proxy.reset_all() : proxy.end_all();
    ASSERT_TRUE(wait_for(reset ? kErrorOccurred : kEndEncountered));
    EXPECT_EQ(stream.error().has_value(), reset);
    stream.close();
  }
}

TEST_F(StreamFaults, GiveUpAHandshakeOnASilentPathInItsTime) {
  proxy.set({.silent = true});
  auto stream = to_proxy();
  ASSERT_TRUE(stream.use_tls({.ca_file = certificate.file}));
  ASSERT_TRUE(stream.set_open_timeout(milliseconds(300)));
  open(stream);
  ASSERT_TRUE(wait_for(kErrorOccurred));
  ASSERT_TRUE(stream.error());
  EXPECT_EQ(stream.error()->code, ErrorCode::kTimeout) << stream.error()->message;
}

}  // namespace
}  // namespace wakeline::app::test
