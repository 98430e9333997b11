// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/wait.h>

#include <csignal>

#include "linux/proc.h"
#include "linux/socket_probe.h"
#include "linux_fixture.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;
using test::connect_pair;
using test::hello_of;
using test::new_socket;
using test::reset;

// C4: each its own distinct error.
TEST(Taggable, IsAConnectedTcpSocketAlone) {
  const test::Server server;
  auto pair = connect_pair(server);
  EXPECT_OK(check_taggable(pair.client.get()));

  const auto error_of = [](int fd) { return check_taggable(fd).error().code; };
  const io::UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(error_of(file.get()), ErrorCode::kNotSocket);
  EXPECT_EQ(error_of(-1), ErrorCode::kNotSocket);
  EXPECT_EQ(error_of(new_socket(AF_INET, SOCK_DGRAM).get()), ErrorCode::kNotTcp);
  EXPECT_EQ(error_of(new_socket(AF_UNIX, SOCK_STREAM).get()), ErrorCode::kNotTcp);
  EXPECT_EQ(error_of(server.fd()), ErrorCode::kListening);
  EXPECT_EQ(error_of(new_socket(AF_INET, SOCK_STREAM).get()), ErrorCode::kNotConnected);
  EXPECT_EQ(error_of(new_socket(AF_INET6, SOCK_STREAM).get()), ErrorCode::kNotConnected);

  // The app said all it had to say and waits for the answer: still of use.
  ::shutdown(pair.client.get(), SHUT_WR);
  EXPECT_OK(check_taggable(pair.client.get()));
  reset(pair.server);
  EXPECT_TRUE(test::eventually([&] { return !check_taggable(pair.client.get()).has_value(); }));
  EXPECT_EQ(error_of(pair.client.get()), ErrorCode::kNotConnected);
}

TEST(Owned, IsTheSocketThatTheProcessHasUnderThatNumber) {
  const test::Server server;
  const auto process = spawn(server.answering_app());
  ASSERT_OK(process);
  auto peer = server.accept();
  const auto hello = hello_of(peer);
  const int pidfd = process->pidfd.get();
  const auto theirs = duplicate_fd(pidfd, hello.fd);
  ASSERT_OK(theirs);
  const auto cookie = socket_cookie(theirs->get());
  ASSERT_OK(cookie);
  EXPECT_OK(check_owned(pidfd, hello.fd, *cookie));
  EXPECT_OK(duplicate_socket(pidfd, hello.fd, *cookie));

  // Another socket, another number, and a descriptor that is no socket.
  const auto pair = connect_pair(server);
  const auto ours = socket_cookie(pair.client.get());
  ASSERT_OK(ours);
  EXPECT_NE(*ours, *cookie);
  EXPECT_EQ(check_owned(pidfd, hello.fd, *ours).error().code, ErrorCode::kNotOwned);
  EXPECT_EQ(check_owned(pidfd, hello.fd + 1, *cookie).error().code, ErrorCode::kNotOwned);
  EXPECT_EQ(check_owned(pidfd, 0, *cookie).error().code, ErrorCode::kNotOwned);
  EXPECT_EQ(duplicate_socket(pidfd, hello.fd, *ours).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(socket_cookie(0).error().code, ErrorCode::kNotSocket);

  EXPECT_OK(send_signal(pidfd, SIGKILL));
  EXPECT_TRUE(test::eventually([&] { return take_exit(pidfd).has_value(); }));
  EXPECT_EQ(duplicate_fd(pidfd, hello.fd).error().code, ErrorCode::kNotFound);
}

TEST(Reading, TakesNothingFromTheApp) {
  const test::Server server;
  auto pair = connect_pair(server);
  const int fd = pair.client.get();
  EXPECT_EQ(read_socket(fd), (SocketReading{0, 0, false}));
  EXPECT_TRUE(pair.server.send('a'));
  EXPECT_TRUE(pair.server.send('b'));
  EXPECT_TRUE(test::eventually([&] { return read_socket(fd)->unread == 2; }));
  EXPECT_EQ(read_socket(fd), (SocketReading{2, 2, false}));
  char byte = 0;
  EXPECT_EQ(::recv(fd, &byte, 1, 0), 1);
  EXPECT_EQ(byte, 'a');
  EXPECT_EQ(read_socket(fd), (SocketReading{2, 1, false}));
  EXPECT_EQ(::recv(fd, &byte, 1, 0), 1);

  reset(pair.server);
  EXPECT_TRUE(test::eventually([&] { return read_socket(fd)->ended; }));
  // The pending error is still the app's to find.
  EXPECT_EQ(::recv(fd, &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
  EXPECT_EQ(read_socket(0).error().code, ErrorCode::kNotSocket);
}

TEST(IoUring, DescriptorsOfAProcessAreFound) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const io::UniqueFd read_end(ends[0]);
  io::UniqueFd write_end(ends[1]);
  auto options = test::app({"ring"});
  options.output = write_end.get();
  const auto process = spawn(options);
  ASSERT_OK(process);
  std::string line;
  for (char byte = 0; ::read(read_end.get(), &byte, 1) == 1 && byte != '\n';) line += byte;
  // A machine whose administrator forbids io_uring gives -1, and then there is none to find.
  const int ring = std::atoi(line.c_str());
  const std::vector<int> wanted = ring >= 0 ? std::vector<int>{ring} : std::vector<int>{};
  EXPECT_EQ(io_uring_fds(process->pid), wanted);
  EXPECT_OK(send_signal(process->pidfd.get(), SIGKILL));
  ::waitpid(process->pid, nullptr, 0);
}

}  // namespace
}  // namespace wakeline::sys
