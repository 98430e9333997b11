// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <wakeline/app.h>

#include "app/host_testing.h"
#include "io/stream.h"

namespace wakeline::app::test {
namespace {

class ConnectTest : public testing::Test {
 protected:
  io::TestFolder folder;
  App app = std::move(*App::create({.host_path = folder.file("none.sock")}));
};

TEST_F(ConnectTest, GivesABlockingSocketThatIsClosedOnExecAndCanBeTagged) {
  const auto listener = io::listen_tcp("127.0.0.1", 0);
  const auto fd = app.connect_tcp("localhost", io::port_of(listener->get()), seconds(5));
  ASSERT_TRUE(fd) << fd.error().message;
  const io::UniqueFd owned(*fd);
  EXPECT_EQ(::fcntl(*fd, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(*fd, F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_TRUE(app.enable_backgrounding(*fd));
}

TEST_F(ConnectTest, TakesTheLongestTimeout) {
  const auto listener = io::listen_tcp("127.0.0.1", 0);
  const std::uint16_t port = io::port_of(listener->get());
  const auto fd = app.connect_tcp("127.0.0.1", port, milliseconds::max());
  ASSERT_TRUE(fd) << fd.error().message;
  const io::UniqueFd owned(*fd);
}

TEST_F(ConnectTest, TellsRefusedUnknownAndSlowApart) {
  auto listener = io::listen_tcp("127.0.0.1", 0);
  const std::uint16_t port = io::port_of(listener->get());
  // A queue of accepted connections that is full answers no SYN: a server that is not there.
  ASSERT_EQ(::listen(listener->get(), 0), 0);
  std::vector<io::UniqueFd> filling;
  std::optional<Error> slow;
  for (int i = 0; i < 8 && !slow; ++i) {
    const auto fd = app.connect_tcp("127.0.0.1", port, milliseconds(300));
    if (fd) {
      filling.emplace_back(*fd);
    } else {
      slow = fd.error();
    }
  }
  ASSERT_TRUE(slow);
  EXPECT_EQ(slow->code, ErrorCode::kTimeout) << slow->message;
  listener->reset();
  const auto refused = app.connect_tcp("127.0.0.1", port, seconds(5));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnreachable);
  const auto unknown = app.connect_tcp("no-such-name.invalid", port, seconds(5));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kUnreachable);
}

}  // namespace
}  // namespace wakeline::app::test
