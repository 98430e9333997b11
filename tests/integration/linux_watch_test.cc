// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "base/random.h"
#include "linux/freezer.h"
#include "linux/proc.h"
#include "linux/socket_probe.h"
#include "linux/socket_watch.h"
#include "linux_fixture.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;
using test::connect_pair;
using test::hello_of;
using test::new_socket;
using test::reset;

io::UniqueFd duplicate(const io::UniqueFd& fd) {
  return io::UniqueFd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
}

bool unread_is(const io::UniqueFd& fd, std::uint32_t bytes) {
  return test::eventually([&] { return read_socket(fd.get())->unread == bytes; });
}

/// A watch, and the events that it told.
class SocketWatchTest : public ::testing::Test {
 protected:
  using Event = std::pair<WatchKey, SocketEvent>;

  void SetUp() override {
    auto new_watch = SocketWatch::create(
        loop, [this](WatchKey key, SocketEvent event) { events.emplace_back(key, event); });
    ASSERT_OK(new_watch);
    watch = std::move(*new_watch);
  }
  bool run_to(std::size_t count) {
    return test::run_until(loop, [&] { return events.size() >= count; });
  }
  // Everything that is ready now has been told after it: nothing is polled later.
  void run_what_is_ready() {
    loop.context().restart();
    for (int turn = 0; turn < 4; ++turn) loop.context().poll();
  }

  test::Server server;
  io::Loop loop;
  std::vector<Event> events;
  std::unique_ptr<SocketWatch> watch;
};

constexpr WatchKey kFirst{1, 1};
constexpr WatchKey kSecond{1, 2};

TEST_F(SocketWatchTest, TellsDataEndAndErrorOnceEach) {
  auto data = connect_pair(server);
  auto end = connect_pair(server);
  auto error = connect_pair(server);
  auto data_and_end = connect_pair(server);
  int member = 0;
  for (const auto* pair : {&data, &end, &error, &data_and_end}) {
    const WatchKey key{7, static_cast<std::uint64_t>(++member)};
    EXPECT_OK(watch->add(key, duplicate(pair->client), WatchMode::kLevel));
  }
  EXPECT_EQ(watch->size(), 4u);
  run_what_is_ready();
  EXPECT_TRUE(events.empty());

  EXPECT_TRUE(data.server.send('a'));
  ASSERT_TRUE(run_to(1));
  end.server.close();
  ASSERT_TRUE(run_to(2));
  reset(error.server);
  ASSERT_TRUE(run_to(3));
  // Data before the end: there is something to read, and the end will be seen after it.
  EXPECT_TRUE(data_and_end.server.send('a'));
  ASSERT_TRUE(run_to(4));
  data_and_end.server.close();
  EXPECT_TRUE(data.server.send('b'));
  run_what_is_ready();
  EXPECT_EQ(events, (std::vector<Event>{{{7, 1}, SocketEvent::kData},
                                        {{7, 2}, SocketEvent::kEnd},
                                        {{7, 3}, SocketEvent::kError},
                                        {{7, 4}, SocketEvent::kData}}));
  EXPECT_EQ(watch->remove_group(7), 4u);
  EXPECT_EQ(watch->size(), 0u);
}

// C11: readiness is checked after suspending.
TEST_F(SocketWatchTest, TellsDataThatLayThereBefore) {
  auto pair = connect_pair(server);
  EXPECT_TRUE(pair.server.send('a'));
  EXPECT_TRUE(unread_is(pair.client, 1));
  EXPECT_OK(watch->add(kFirst, duplicate(pair.client), WatchMode::kLevel));
  ASSERT_TRUE(run_to(1));
  EXPECT_EQ(events, (std::vector<Event>{{kFirst, SocketEvent::kData}}));
}

// C11: data left unread gives one more wake, then only new data wakes.
TEST_F(SocketWatchTest, TellsOnlyNewDataOnAnEdge) {
  auto pair = connect_pair(server);
  EXPECT_TRUE(pair.server.send('a'));
  EXPECT_TRUE(unread_is(pair.client, 1));
  const auto known = read_socket(pair.client.get());
  ASSERT_OK(known);
  EXPECT_OK(watch->add(kFirst, duplicate(pair.client), WatchMode::kEdge, *known));
  run_what_is_ready();
  EXPECT_TRUE(events.empty());
  EXPECT_TRUE(pair.server.send('b'));
  ASSERT_TRUE(run_to(1));
  EXPECT_EQ(events, (std::vector<Event>{{kFirst, SocketEvent::kData}}));
}

TEST_F(SocketWatchTest, TellsOnAnEdgeWhatCameSinceTheReading) {
  auto pair = connect_pair(server);
  EXPECT_TRUE(pair.server.send('a'));
  EXPECT_TRUE(unread_is(pair.client, 1));
  const auto known = read_socket(pair.client.get());
  ASSERT_OK(known);
  EXPECT_TRUE(pair.server.send('b'));
  EXPECT_TRUE(unread_is(pair.client, 2));
  EXPECT_OK(watch->add(kFirst, duplicate(pair.client), WatchMode::kEdge, *known));
  ASSERT_TRUE(run_to(1));
  EXPECT_EQ(events, (std::vector<Event>{{kFirst, SocketEvent::kData}}));
}

TEST_F(SocketWatchTest, TellsTheEndOnAnEdgeOnlyWhenItIsNew) {
  auto pair = connect_pair(server);
  EXPECT_OK(watch->add(kFirst, duplicate(pair.client), WatchMode::kEdge));
  pair.server.close();
  ASSERT_TRUE(run_to(1));
  EXPECT_TRUE(watch->remove(kFirst));
  const auto known = read_socket(pair.client.get());
  ASSERT_OK(known);
  EXPECT_TRUE(known->ended);
  EXPECT_OK(watch->add(kFirst, duplicate(pair.client), WatchMode::kEdge, *known));
  run_what_is_ready();
  EXPECT_EQ(events, (std::vector<Event>{{kFirst, SocketEvent::kEnd}}));
}

// Its reports of what was sent lie in the error queue of a connection that lives.
TEST_F(SocketWatchTest, TakesNoReportOfZeroCopyForAnEnd) {
  auto pair = connect_pair(server);
  const int fd = pair.client.get();
  const int on = 1;
  ASSERT_EQ(::setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on), 0);
  const std::vector<char> bytes(16'384, 'z');
  ASSERT_EQ(::send(fd, bytes.data(), bytes.size(), MSG_ZEROCOPY), std::ssize(bytes));
  ASSERT_TRUE(test::eventually([&] {
    pollfd wait{fd, 0, 0};
    return ::poll(&wait, 1, 0) > 0 && wait.revents == POLLERR;
  }));
  EXPECT_EQ(read_socket(fd), (SocketReading{0, 0, false}));

  for (const WatchMode mode : {WatchMode::kLevel, WatchMode::kEdge}) {
    const auto known = read_socket(fd);
    ASSERT_OK(known);
    EXPECT_OK(watch->add(kFirst, duplicate(pair.client), mode, *known));
    run_what_is_ready();
    EXPECT_TRUE(events.empty());
    EXPECT_TRUE(pair.server.send('a'));
    ASSERT_TRUE(run_to(1));
    EXPECT_EQ(events, (std::vector<Event>{{kFirst, SocketEvent::kData}}));
    EXPECT_TRUE(watch->remove(kFirst));
    events.clear();
    char byte = 0;
    EXPECT_EQ(::recv(fd, &byte, 1, 0), 1);
  }
  const auto known = read_socket(fd);
  ASSERT_OK(known);
  EXPECT_OK(watch->add(kFirst, duplicate(pair.client), WatchMode::kLevel, *known));
  run_what_is_ready();
  reset(pair.server);
  ASSERT_TRUE(run_to(1));
  EXPECT_EQ(events, (std::vector<Event>{{kFirst, SocketEvent::kError}}));
}

/// Listens and takes no connection until told to; what is over its backlog waits for an answer.
struct SlowServer {
  SlowServer() : fd(new_socket(AF_INET, SOCK_STREAM)) {
    sockaddr_in any = {};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
    EXPECT_EQ(::listen(fd.get(), 0), 0);
    socklen_t size = sizeof address;
    EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  }
  /// A socket that has no answer yet.
  io::UniqueFd connect_in_vain() {
    for (int i = 0; i < 8; ++i) {
      io::UniqueFd client = new_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
      ::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
      if (const auto reading = read_socket(client.get()); reading && reading->connecting)
        return client;
      accepted_before.push_back(std::move(client));
    }
    return {};
  }
  void take_all() {
    for (std::size_t i = 0; i < accepted_before.size(); ++i)
      taken.emplace_back(::accept4(fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  io::UniqueFd fd;
  sockaddr_in address = {};
  std::vector<io::UniqueFd> accepted_before;
  std::vector<io::UniqueFd> taken;
};

// C39: a program that awaits its connection has to say the first word.
TEST_F(SocketWatchTest, TellsThatAConnectionIsThere) {
  SlowServer slow;
  const io::UniqueFd client = slow.connect_in_vain();
  ASSERT_TRUE(client);
  const auto known = read_socket(client.get());
  ASSERT_OK(known);
  ASSERT_TRUE(known->connecting);
  EXPECT_OK(watch->add(kFirst, duplicate(client), WatchMode::kLevel, *known));
  run_what_is_ready();
  EXPECT_TRUE(events.empty());
  slow.take_all();  // the kernel asks again after a second
  ASSERT_TRUE(run_to(1));
  EXPECT_EQ(events, (std::vector<Event>{{kFirst, SocketEvent::kData}}));
  EXPECT_FALSE(read_socket(client.get())->connecting);
}

TEST_F(SocketWatchTest, TellsThatAConnectionCannotBeHad) {
  auto slow = std::make_unique<SlowServer>();
  const io::UniqueFd client = slow->connect_in_vain();
  ASSERT_TRUE(client);
  const auto known = read_socket(client.get());
  ASSERT_OK(known);
  EXPECT_OK(watch->add(kFirst, duplicate(client), WatchMode::kLevel, *known));
  slow->fd.reset();  // now it is refused
  ASSERT_TRUE(run_to(1));
  EXPECT_EQ(events, (std::vector<Event>{{kFirst, SocketEvent::kError}}));
}

TEST_F(SocketWatchTest, TellsNothingOfARemovedOne) {
  auto pair = connect_pair(server);
  auto other = connect_pair(server);
  EXPECT_OK(watch->add(kFirst, duplicate(pair.client), WatchMode::kLevel));
  EXPECT_TRUE(pair.server.send('a'));
  EXPECT_TRUE(unread_is(pair.client, 1));
  EXPECT_TRUE(watch->remove(kFirst));
  EXPECT_FALSE(watch->remove(kFirst));
  EXPECT_EQ(watch->read(kFirst).error().code, ErrorCode::kNotFound);
  // The slot's next user does not get the event of the earlier one.
  EXPECT_OK(watch->add(kSecond, duplicate(other.client), WatchMode::kLevel));
  EXPECT_EQ(watch->read(kSecond), (SocketReading{0, 0, false}));
  run_what_is_ready();
  EXPECT_TRUE(events.empty());
}

TEST_F(SocketWatchTest, RefusesASecondUseOfAKeyAndWhatCannotBeWatched) {
  const auto pair = connect_pair(server);
  EXPECT_OK(watch->add(kFirst, duplicate(pair.client), WatchMode::kLevel));
  EXPECT_EQ(watch->add(kFirst, duplicate(pair.client), WatchMode::kLevel).error().code,
            ErrorCode::kAlreadyExists);
  io::UniqueFd file(::open("/etc/passwd", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(watch->add(kSecond, std::move(file), WatchMode::kLevel).error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(watch->size(), 1u);
}

TEST_F(SocketWatchTest, SurvivesAHandlerThatRemovesTheOthersAndItself) {
  std::vector<test::Pair> pairs;
  int told = 0;
  auto new_watch = SocketWatch::create(loop, [&](WatchKey key, SocketEvent) {
    ++told;
    watch->remove_group(key.group);
    watch.reset();
  });
  ASSERT_OK(new_watch);
  watch = std::move(*new_watch);
  for (std::uint64_t i = 0; i < 100; ++i) {
    pairs.push_back(connect_pair(server));
    EXPECT_OK(watch->add({3, i}, duplicate(pairs.back().client), WatchMode::kLevel));
    EXPECT_TRUE(pairs.back().server.send('a'));
  }
  ASSERT_TRUE(test::run_until(loop, [&] { return told == 1; }));
  run_what_is_ready();
  EXPECT_EQ(told, 1);
}

// --- with a real app

class WatchedAppTest : public SocketWatchTest {
 protected:
  void SetUp() override {
    SocketWatchTest::SetUp();
    auto new_freezer = Freezer::open({.name = test::unique_name("watch")});
    ASSERT_OK(new_freezer);
    freezer = std::move(*new_freezer);
    auto new_group = freezer->group("bell");
    ASSERT_OK(new_group);
    group = std::move(*new_group);
    auto new_process = group->launch(server.answering_app());
    ASSERT_OK(new_process);
    process = std::move(*new_process);
    peer = server.accept();
    hello = hello_of(peer);
    const auto seen = duplicate_fd(process.pidfd.get(), hello.fd);
    ASSERT_OK(seen);
    cookie = socket_cookie(seen->get()).value_or(0);
    flags = ::fcntl(seen->get(), F_GETFL);
  }
  void TearDown() override {
    watch.reset();
    EXPECT_OK(group->remove());
    group.reset();
    freezer.reset();
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
  }
  void suspend_and_watch() {
    ASSERT_EQ(group->freeze(), FreezeOutcome::kComplete);
    auto socket = duplicate_socket(process.pidfd.get(), hello.fd, cookie);
    ASSERT_OK(socket);
    ASSERT_OK(watch->add(kFirst, std::move(*socket), WatchMode::kLevel));
  }
  void resume() {
    watch->remove_group(kFirst.group);
    ASSERT_OK(group->thaw());
  }

  // Freezes; watches until something comes, if the app has answered all that it received; thaws.
  // Returns: what went wrong, in words.
  std::string cycle(std::uint64_t& wakes, const std::atomic<std::uint64_t>& answers,
                    const std::atomic<bool>& done) {
    std::string fault;
    ++cycles;
    const auto frozen = group->freeze();
    if (!frozen) return "freeze: " + test::text_of(frozen);
    auto socket = duplicate_socket(process.pidfd.get(), hello.fd, cookie);
    if (!socket) return "duplicate: " + test::text_of(socket);
    const auto reading = read_socket(socket->get());
    if (!reading) return "read: " + test::text_of(reading);
    if (reading->bytes == answers && !done) {
      events.clear();
      const auto added = watch->add(kFirst, std::move(*socket), WatchMode::kLevel);
      if (!added) fault = "add: " + test::text_of(added);
      watching = true;
      // The sender waits for nobody else: its next byte is the only thing that can come.
      if (!test::run_until(loop, [&] { return !events.empty() || done; })) fault = "lost wake";
      watching = false;
      ++wakes;
    }
    watch->remove(kFirst);
    socket->reset();
    if (const auto thawed = group->thaw(); !thawed) fault = "thaw: " + test::text_of(thawed);
    return fault;
  }

  test::Peer peer;
  test::Hello hello;
  std::atomic<std::uint64_t> cycles = 0;
  std::atomic<bool> watching = false;
  std::uint64_t cookie = 0;
  int flags = 0;
  std::unique_ptr<Freezer> freezer;
  std::unique_ptr<AppGroup> group;
  Process process;
};

// C9, C7, C24: the whole cycle; afterwards the app's own close is a close, and its flags are its.
TEST_F(WatchedAppTest, WakesOnDataAndClosesAsIfNobodyHadWatched) {
  for (std::size_t cycle = 1; cycle <= 20; ++cycle) {
    suspend_and_watch();
    EXPECT_TRUE(peer.send('?'));
    ASSERT_TRUE(run_to(cycle));
    EXPECT_EQ(peer.receive(std::chrono::milliseconds(0)), -1) << "it sleeps until the thaw";
    resume();
    ASSERT_EQ(peer.receive(), '!');
  }
  const auto seen = duplicate_fd(process.pidfd.get(), hello.fd);
  ASSERT_OK(seen);
  EXPECT_EQ(::fcntl(seen->get(), F_GETFL), flags);
}

TEST_F(WatchedAppTest, LetsTheFinOutAtTheAppsOwnClose) {
  suspend_and_watch();
  EXPECT_TRUE(peer.send('c'));
  ASSERT_TRUE(run_to(1));
  resume();
  EXPECT_EQ(peer.receive(), 0);
  EXPECT_EQ(take_exit(process.pidfd.get()).error().code, ErrorCode::kBusy) << "it lives on";
  EXPECT_EQ(duplicate_socket(process.pidfd.get(), hello.fd, cookie).error().code,
            ErrorCode::kNotFound);
}

// C11: whatever the phase at which a byte comes, it is answered. The peer counts the answers, so
// "the app has taken a byte but not acted on it" is told from "all is done" without waiting.
TEST_F(WatchedAppTest, LosesNoWakeAtAnyPhaseOfTheCycle) {
  constexpr std::uint64_t kSends = 3'000;
  std::atomic<std::uint64_t> answers = 0;
  std::atomic<bool> done = false;
  int wrong_answer = 0;
  std::thread sender([&] {
    base::Random random(11);
    for (std::uint64_t i = 0; i < kSends && !done; ++i) {
      // Counted from the beginning of a freeze, so that every phase is met on a busy machine too.
      for (const auto seen = cycles.load(); cycles == seen && !watching && !done;) {
        std::this_thread::yield();
      }
      const auto until =
          io::now() + random.between(std::chrono::nanoseconds(0), std::chrono::microseconds(150));
      while (io::now() < until) {
      }
      if (const int answer = peer.ask('?'); answer != '!') {
        wrong_answer = answer;
        break;
      }
      ++answers;
    }
    done = true;
  });
  std::uint64_t wakes = 0;
  std::string fault;
  const auto start = io::now();
  while (!done && fault.empty()) {
    if (io::now() - start > std::chrono::seconds(60)) fault = "too slow";
    fault += cycle(wakes, answers, done);
    std::this_thread::yield();
  }
  done = true;
  sender.join();
  EXPECT_EQ(fault, "");
  EXPECT_EQ(wrong_answer, 0);
  EXPECT_EQ(answers, kSends);
  EXPECT_GT(wakes, kSends / 100);
}

}  // namespace
}  // namespace wakeline::sys
