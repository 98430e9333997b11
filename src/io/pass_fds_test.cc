// SPDX-License-Identifier: Apache-2.0
#include "io/pass_fds.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>

namespace wakeline::io {
namespace {

/// Two ends of a Unix socket, and pipes whose reading ends see when every writing end is closed.
class PassFds : public testing::Test {
 protected:
  struct Pipe {
    UniqueFd reader;
    UniqueFd writer;
  };

  void SetUp() override {
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    here_.reset(pair[0]);
    there_.reset(pair[1]);
  }
  static Pipe pipe() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
  }
  /// Whether no writing end is open.
  static bool ended(const Pipe& pipe) {
    char byte = 0;
    return ::read(pipe.reader.get(), &byte, 1) == 0;
  }
  int send(std::string_view text, std::vector<int> fds) {
    return send_with_fds(here_.get(), base::as_bytes(text), fds);
  }
  base::Result<ReceivedWithFds> receive(std::size_t fds_max, int flags = MSG_DONTWAIT) {
    return receive_with_fds(there_.get(), buffer_, fds_max, flags);
  }
  std::string_view text(const ReceivedWithFds& received) const {
    return base::as_text(base::BytesView(buffer_).first(received.size));
  }

  UniqueFd here_;
  UniqueFd there_;
  std::array<std::uint8_t, 8> buffer_{};
};

TEST_F(PassFds, GivesTheDescriptorsBesideTheirMessageAndLeavesTheSenderItsOwn) {
  Pipe one = pipe();
  Pipe other = pipe();
  ASSERT_EQ(send("plain", {}), 0);
  ASSERT_EQ(send("pair", {one.writer.get(), other.writer.get()}), 0);
  one.writer.reset();
  auto received = receive(4);
  ASSERT_TRUE(received);
  EXPECT_EQ(text(*received), "plain");
  EXPECT_TRUE(received->fds.empty());
  received = receive(2);
  ASSERT_TRUE(received);
  EXPECT_EQ(text(*received), "pair");
  EXPECT_FALSE(received->fds_lost);
  ASSERT_EQ(received->fds.size(), 2U);
  for (const UniqueFd& fd : received->fds) EXPECT_EQ(::fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
  ASSERT_EQ(::write(received->fds[0].get(), "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(::read(one.reader.get(), &byte, 1), 1);
  EXPECT_EQ(byte, 'x');
  received->fds.clear();
  EXPECT_TRUE(ended(one));
  EXPECT_FALSE(ended(other));  // the sender's own is open
}

TEST_F(PassFds, ClosesEveryOneOfMoreThanWereWantedAndKeepsTheMessage) {
  // By each number: where the kernel's alignment leaves room for one more, and where it does not.
  for (std::size_t wanted = 0; wanted < kPassedFdsMax; ++wanted) {
    for (std::size_t sent = wanted + 1; sent <= kPassedFdsMax; ++sent) {
      Pipe pipe = PassFds::pipe();
      ASSERT_EQ(send("many", std::vector<int>(sent, pipe.writer.get())), 0);
      pipe.writer.reset();
      const auto received = receive(wanted);
      ASSERT_TRUE(received);
      EXPECT_EQ(text(*received), "many");
      EXPECT_TRUE(received->fds_lost);
      EXPECT_TRUE(received->fds.empty());
      EXPECT_TRUE(ended(pipe)) << wanted << " of " << sent;
    }
  }
}

TEST_F(PassFds, ClosesEveryOneOfMoreThanAnybodyMayWant) {
  Pipe pipe = PassFds::pipe();
  constexpr std::size_t kMany = 32;
  std::uint8_t byte = 'm';
  iovec part{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMany)> control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  cmsghdr* const rights = CMSG_FIRSTHDR(&header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int) * kMany);
  for (std::size_t i = 0; i < kMany; ++i) {
    const int fd = pipe.writer.get();
    std::memcpy(CMSG_DATA(rights) + i * sizeof fd, &fd, sizeof fd);
  }
  ASSERT_EQ(::sendmsg(here_.get(), &header, 0), 1);
  pipe.writer.reset();
  const auto received = receive(kPassedFdsMax);
  ASSERT_TRUE(received);
  EXPECT_TRUE(received->fds_lost);
  EXPECT_TRUE(received->fds.empty());
  EXPECT_TRUE(ended(pipe));
}

TEST_F(PassFds, LosesAllWhereThisProcessMayOpenNoMoreAndSaysSo) {
  Pipe pipe = PassFds::pipe();
  ASSERT_EQ(send("full", {pipe.writer.get(), pipe.writer.get()}), 0);
  pipe.writer.reset();
  rlimit former{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &former), 0);
  // Room for one: of the two that come, one could be opened.
  const UniqueFd next(::dup(here_.get()));
  const rlimit tight{.rlim_cur = static_cast<rlim_t>(next.get()) + 2, .rlim_max = former.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  const auto received = receive(2);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &former), 0);
  ASSERT_TRUE(received);
  EXPECT_EQ(text(*received), "full");
  EXPECT_TRUE(received->fds_lost);
  EXPECT_TRUE(received->fds.empty());
  EXPECT_TRUE(ended(pipe));
}

TEST_F(PassFds, TellsALongMessageTheEndAndNothing) {
  EXPECT_EQ(receive(1).error().os_error, EAGAIN);
  ASSERT_EQ(send("longer than the buffer", {}), 0);
  auto received = receive(1);
  ASSERT_TRUE(received);
  EXPECT_EQ(received->size, 22U);
  here_.reset();
  received = receive(1);
  ASSERT_TRUE(received);
  EXPECT_EQ(received->size, 0U);
  EXPECT_FALSE(received->fds_lost);
  UniqueFd gone = std::move(there_);
  EXPECT_EQ(send_with_fds(gone.get(), base::as_bytes("x"), {}), EPIPE);  // and no signal
}

}  // namespace
}  // namespace wakeline::io
