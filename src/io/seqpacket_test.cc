// SPDX-License-Identifier: Apache-2.0
#include "io/seqpacket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "io/file.h"
#include "io/testing.h"
#include "io/unix_socket.h"

namespace wakeline::io {
namespace {

constexpr std::size_t kMax = 1'000;  // bytes of a message in these tests

/// A listener and the connections that it accepted.
struct Server {
  explicit Server(Loop& loop, const std::string& path) {
    auto opened = SeqpacketListener::open(loop, path, [this](std::unique_ptr<Seqpacket> accepted) {
      connections.push_back(std::move(accepted));
    });
    WL_CHECK(opened.has_value());
    listener = std::move(*opened);
  }
  std::unique_ptr<SeqpacketListener> listener;
  std::vector<std::unique_ptr<Seqpacket>> connections;
};

/// What one end received.
struct MessageInbox {
  void attach(Seqpacket& connection) {
    connection.start(
        kMax,
        [this](std::string_view message, std::vector<UniqueFd> with) {
          messages.emplace_back(message);
          for (auto& fd : with) fds.push_back(std::move(fd));
        },
        [this](base::Error error) { ends.push_back(error.code); });
  }
  std::vector<std::string> messages;
  std::vector<UniqueFd> fds;
  std::vector<base::ErrorCode> ends;
};

class SeqpacketTest : public testing::Test {
 protected:
  std::unique_ptr<Seqpacket> connect() {
    auto connected = connect_seqpacket(loop, path);
    WL_CHECK(connected.has_value());
    const std::size_t before = server.connections.size();
    WL_CHECK(run_until(loop, [&] { return server.connections.size() > before; }));
    return std::move(*connected);
  }

  TestFolder folder;
  std::string path = folder.file("host.sock");
  Loop loop;
  Server server{loop, path};
};

TEST_F(SeqpacketTest, CarriesWholeMessagesBothWays) {
  auto client = connect();
  MessageInbox at_server;
  MessageInbox at_client;
  at_server.attach(*server.connections[0]);
  at_client.attach(*client);
  EXPECT_FALSE(server.connections[0]->unread());
  client->send("one");
  client->send("two");
  EXPECT_TRUE(server.connections[0]->unread());
  server.connections[0]->send("answer");
  EXPECT_TRUE(run_until(
      loop, [&] { return at_server.messages.size() == 2 && at_client.messages.size() == 1; }));
  EXPECT_EQ(at_server.messages, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(at_client.messages, std::vector<std::string>{"answer"});
}

TEST_F(SeqpacketTest, CarriesADescriptorThatStaysTheSendersToo) {
  auto client = connect();
  MessageInbox inbox;
  inbox.attach(*server.connections[0]);
  int pipe_fds[2];
  ASSERT_EQ(::pipe(pipe_fds), 0);
  const UniqueFd reader(pipe_fds[0]);
  const UniqueFd writer(pipe_fds[1]);
  client->send("here", writer.get());
  ASSERT_TRUE(run_until(loop, [&] { return inbox.fds.size() == 1; }));
  EXPECT_EQ(::fcntl(inbox.fds[0].get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(::fcntl(inbox.fds[0].get(), F_GETFL) & O_NONBLOCK, 0);
  ASSERT_EQ(::write(inbox.fds[0].get(), "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(::read(reader.get(), &byte, 1), 1);
  EXPECT_EQ(::fcntl(writer.get(), F_GETFD), 0);
}

TEST_F(SeqpacketTest, KnowsThePeerFromTheKernel) {
  auto client = connect();
  for (const Seqpacket* end : {client.get(), server.connections[0].get()}) {
    EXPECT_EQ(end->peer().pid, ::getpid());
    EXPECT_EQ(end->peer().uid, ::getuid());
    EXPECT_EQ(end->peer().gid, ::getgid());
  }
}

TEST_F(SeqpacketTest, LeavesInTheKernelWhatItsOwnerDoesNotWantToRead) {
  auto client = connect();
  Seqpacket& reader = *server.connections[0];
  std::vector<std::string> messages;
  reader.start(
      kMax,
      [&](std::string_view message, std::vector<UniqueFd>) {
        messages.emplace_back(message);
        reader.set_reading(false);
      },
      [](base::Error) {});
  for (const char* text : {"one", "two", "three"}) client->send(text);
  const std::vector<std::string> all = {"one", "two", "three"};
  for (std::size_t count = 1; count <= all.size(); ++count) {
    ASSERT_TRUE(run_until(loop, [&] { return messages.size() == count; }));
    run_ready(loop);
    EXPECT_EQ(messages, std::vector(all.begin(), all.begin() + static_cast<long>(count)));
    reader.set_reading(true);
  }
}

TEST_F(SeqpacketTest, EndsWithTooLargeForAMessageOverTheLimitAndTakesOneThatJustFits) {
  auto client = connect();
  MessageInbox inbox;
  inbox.attach(*server.connections[0]);
  client->send(std::string(kMax, 'x'));
  client->send(std::string(kMax + 1, 'x'));
  EXPECT_TRUE(run_until(loop, [&] { return !inbox.ends.empty(); }));
  EXPECT_EQ(inbox.messages, std::vector<std::string>{std::string(kMax, 'x')});
  EXPECT_EQ(inbox.ends, std::vector{base::ErrorCode::kTooLarge});
}

TEST_F(SeqpacketTest, EndsWithTooLargeForTooManyDescriptorsAndClosesThem) {
  auto raw = unix_socket();
  ASSERT_TRUE(raw && connect_unix(raw->get(), *unix_address(path)));
  ASSERT_TRUE(run_until(loop, [&] { return server.connections.size() == 1; }));
  MessageInbox inbox;
  inbox.attach(*server.connections[0]);

  constexpr std::size_t kCount = Seqpacket::kFdsMax + 1;
  int pipe_fds[2];
  ASSERT_EQ(::pipe(pipe_fds), 0);
  const UniqueFd reader(pipe_fds[0]);
  UniqueFd writer(pipe_fds[1]);
  iovec io{const_cast<char*>("x"), 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kCount)] = {};
  msghdr header{};
  header.msg_iov = &io;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  cmsghdr* part = CMSG_FIRSTHDR(&header);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof(int) * kCount);
  for (std::size_t i = 0; i < kCount; ++i) {
    const int fd = writer.get();
    memcpy(CMSG_DATA(part) + i * sizeof fd, &fd, sizeof fd);
  }
  ASSERT_EQ(::sendmsg(raw->get(), &header, 0), 1);

  EXPECT_TRUE(run_until(loop, [&] { return !inbox.ends.empty(); }));
  EXPECT_EQ(inbox.ends, std::vector{base::ErrorCode::kTooLarge});
  EXPECT_TRUE(inbox.messages.empty());
  // Every copy of the pipe's writing end is closed when its reader sees the end.
  writer.reset();
  char byte = 0;
  EXPECT_EQ(::read(reader.get(), &byte, 1), 0);
}

TEST_F(SeqpacketTest, TellsTheEndOnceWhenThePeerGoes) {
  auto client = connect();
  MessageInbox inbox;
  inbox.attach(*server.connections[0]);
  client->send("last words");
  client.reset();
  EXPECT_TRUE(run_until(loop, [&] { return !inbox.ends.empty(); }));
  run_ready(loop);
  EXPECT_EQ(inbox.messages, std::vector<std::string>{"last words"});
  EXPECT_EQ(inbox.ends, std::vector{base::ErrorCode::kClosed});
}

TEST_F(SeqpacketTest, SendingToAPeerThatWentEndsLaterAndRaisesNoSignal) {
  auto client = connect();
  server.connections.clear();
  client->send("nobody hears this");  // before `start`: kept for it
  MessageInbox inbox;
  inbox.attach(*client);
  EXPECT_TRUE(inbox.ends.empty());
  EXPECT_TRUE(run_until(loop, [&] { return !inbox.ends.empty(); }));
  EXPECT_EQ(inbox.ends, std::vector{base::ErrorCode::kClosed});
}

TEST_F(SeqpacketTest, QueuesForASlowReaderInOrderAndEndsOverTheBound) {
  auto client = connect();
  MessageInbox at_client;
  at_client.attach(*client);
  constexpr int kSome = 1'000;  // more than the kernel takes, fewer than we queue
  for (int i = 0; i < kSome; ++i) client->send(std::to_string(i));
  MessageInbox at_server;
  at_server.attach(*server.connections[0]);
  ASSERT_TRUE(run_until(loop, [&] { return at_server.messages.size() == kSome; }));
  for (int i = 0; i < kSome; ++i) EXPECT_EQ(at_server.messages[i], std::to_string(i));
  EXPECT_TRUE(at_client.ends.empty());

  auto unread = connect();
  MessageInbox at_unread;
  at_unread.attach(*unread);
  for (int i = 0; i < 3'000; ++i) unread->send("x");
  EXPECT_TRUE(at_unread.ends.empty());
  EXPECT_TRUE(run_until(loop, [&] { return !at_unread.ends.empty(); }));
  EXPECT_EQ(at_unread.ends, std::vector{base::ErrorCode::kTooLarge});
}

TEST_F(SeqpacketTest, HoldsAPeerThatAsksFasterThanItTakesTheAnswersAndLosesNone) {
  auto raw = unix_socket();
  ASSERT_TRUE(raw);
  ASSERT_TRUE(connect_unix(raw->get(), *unix_address(path)));
  ASSERT_TRUE(run_until(loop, [&] { return server.connections.size() == 1; }));
  Seqpacket& echo = *server.connections[0];
  std::vector<base::ErrorCode> ends;
  echo.hold_reading_while_sending();
  echo.start(
      kMax,
      [&](std::string_view message, const std::vector<UniqueFd>&) {
        echo.send(std::string(message));
      },
      [&](base::Error error) { ends.push_back(error.code); });

  constexpr int kCount = 3'000;  // more than both sockets and the queue hold
  int sent = 0;
  const auto send_next = [&] {
    const std::string text = std::to_string(sent);
    if (::send(raw->get(), text.data(), text.size(), MSG_NOSIGNAL) < 0) return false;
    return ++sent < kCount;
  };
  do {
    while (send_next()) run_ready(loop);
    run_ready(loop);
  } while (send_next());
  EXPECT_LT(sent, kCount);  // held
  EXPECT_TRUE(ends.empty());

  int received = 0;
  EXPECT_TRUE(run_until(loop,
                        [&] {
                          while (sent < kCount && send_next()) continue;
                          char text[16];
                          for (ssize_t size = 0;
                               (size = ::recv(raw->get(), text, sizeof text, 0)) > 0; ++received) {
                            EXPECT_EQ(std::string_view(text, static_cast<std::size_t>(size)),
                                      std::to_string(received));
                          }
                          return received == kCount;
                        }))
      << sent << " sent, " << received << " received";
  EXPECT_TRUE(ends.empty());
}

TEST_F(SeqpacketTest, MayBeDestroyedInEitherHandler) {
  auto client = connect();
  client->start(
      kMax, [&](std::string_view, const std::vector<UniqueFd>&) { client.reset(); },
      [](base::Error) { FAIL() << "no handler after its owner went"; });
  server.connections[0]->start(
      kMax, [](std::string_view, const std::vector<UniqueFd>&) {},
      [&](base::Error) { server.connections.clear(); });
  server.connections[0]->send("one");
  server.connections[0]->send("two");
  EXPECT_TRUE(run_until(loop, [&] { return server.connections.empty(); }));
  EXPECT_EQ(client, nullptr);
}

TEST_F(SeqpacketTest, TheSocketFileIsTheOwnersAndGoesWithTheListener) {
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  server.listener.reset();
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(code_of(connect_seqpacket(loop, path)), base::ErrorCode::kNotFound);
}

TEST_F(SeqpacketTest, AFileThatSomebodyListensOnIsRefusedAndAStaleOneReplaced) {
  const auto open = [&](const std::string& at) {
    return SeqpacketListener::open(loop, at, [](const std::unique_ptr<Seqpacket>&) {});
  };
  EXPECT_EQ(code_of(open(path)), base::ErrorCode::kAddressInUse);

  const std::string stale = folder.file("stale.sock");
  {
    const auto gone = unix_socket();
    const auto address = unix_address(stale);
    ASSERT_EQ(::bind(gone->get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address),
              0);
  }
  EXPECT_EQ(code_of(connect_seqpacket(loop, stale)), base::ErrorCode::kUnreachable);
  EXPECT_TRUE(open(stale));

  ASSERT_TRUE(write_file(folder.file("plain"), "keep me"));
  EXPECT_EQ(code_of(open(folder.file("plain"))), base::ErrorCode::kAddressInUse);
  EXPECT_EQ(read_file(folder.file("plain"), 100), "keep me");
}

TEST_F(SeqpacketTest, AListenerRemovesOnlyItsOwnFile) {
  std::filesystem::remove(path);
  Server second(loop, path);
  server.listener.reset();
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(SeqpacketTest, APathThatDoesNotFitIsRefused) {
  EXPECT_EQ(code_of(connect_seqpacket(loop, std::string(200, 'x'))), base::ErrorCode::kTooLarge);
  EXPECT_EQ(code_of(connect_seqpacket(loop, "")), base::ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace wakeline::io
