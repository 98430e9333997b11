// SPDX-License-Identifier: Apache-2.0
// The network as the kernel tells it, in a network namespace of the test's own.
#include <arpa/inet.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <optional>

#include "linux/network.h"
#include "linux/socket_destroy.h"
#include "linux/socket_probe.h"
#include "linux_fixture.h"
#include "network_namespace.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;
using test::ip;

IpAddress address(const char* text) {
  in_addr bytes = {};
  EXPECT_EQ(::inet_pton(AF_INET, text, &bytes), 1);
  return ip_address(reinterpret_cast<const std::uint8_t*>(&bytes), sizeof bytes);
}

class NetworkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(test::enter_network_namespace());
    ip("link set lo up");
    ip("link add up0 type veth peer name far0");
    ip("link add side0 type veth peer name far1");
    for (const char* name : {"up0", "far0", "side0", "far1"}) {
      ip(std::string("link set ") + name + " up");
    }
    ip("addr add 192.0.2.7/24 dev up0");
    ip("route add default via 192.0.2.1");
  }
  void open() {
    auto opened =
        NetworkWatch::open(loop, {.quiet = std::chrono::milliseconds(20)},
                           [this](const NetworkChange& change) { changes.push_back(change); });
    ASSERT_OK(opened);
    watch = std::move(*opened);
  }
  bool has(const char* text) const {
    return std::ranges::any_of(watch->facts().addresses, [&](const LocalAddress& local) {
      return local.address == address(text);
    });
  }

  io::Loop loop;
  std::unique_ptr<NetworkWatch> watch;
  std::vector<NetworkChange> changes;
};

TEST_F(NetworkTest, TellsOfAnAddressThatGoesAndOfARouteThatComes) {  // C31
  open();
  EXPECT_EQ(to_line(watch->facts()), "192.0.2.7 on up0; by 192.0.2.1 on up0");
  ip("addr del 192.0.2.7/24 dev up0");  // takes the route with it
  ASSERT_TRUE(test::run_until(loop, [&] { return !changes.empty(); }));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_TRUE(changes[0].essential);
  EXPECT_EQ(changes[0].lost, std::vector<IpAddress>{address("192.0.2.7")});
  EXPECT_TRUE(changes[0].facts.routes.empty());

  ip("addr add 198.51.100.9/24 dev side0");
  ip("route add default via 198.51.100.1");
  ASSERT_TRUE(test::run_until(loop, [&] { return !watch->facts().routes.empty(); }));
  EXPECT_TRUE(changes.back().essential);
  EXPECT_EQ(to_line(changes.back().facts), "198.51.100.9 on side0; by 198.51.100.1 on side0");
}

TEST_F(NetworkTest, SeesALinkGoDownThatTakesItsRouteSilently) {  // C31
  open();
  ip("link set far0 down");  // as a cable that is pulled: the address stays
  ASSERT_TRUE(test::run_until(loop, [&] { return !changes.empty(); }));
  EXPECT_TRUE(changes.back().essential);
  EXPECT_TRUE(changes.back().lost.empty());
  EXPECT_TRUE(changes.back().facts.routes.empty());
}

TEST_F(NetworkTest, IsSilentAboutWhatConcernsNoConnection) {  // C31
  open();
  ip("addr change 192.0.2.7/24 dev up0 valid_lft 4000 preferred_lft 4000");  // a renewed lease
  ip("route add 203.0.113.0/24 via 192.0.2.2");
  ip("route replace default via 192.0.2.1 metric 0");
  ip("addr add 169.254.3.3/16 dev up0 scope link");
  ip("addr add 172.17.0.1/16 dev side0");  // somebody's bridge, without a way out
  ASSERT_TRUE(test::run_until(loop, [&] { return has("172.17.0.1") && has("169.254.3.3"); }));
  EXPECT_TRUE(changes.empty());
  // One that concerns nobody's route may have held connections all the same.
  ip("addr del 172.17.0.1/16 dev side0");
  ASSERT_TRUE(test::run_until(loop, [&] { return !changes.empty(); }));
  EXPECT_FALSE(changes[0].essential);
  EXPECT_EQ(changes[0].lost, std::vector<IpAddress>{address("172.17.0.1")});
}

TEST_F(NetworkTest, ReadsAgainForAHintAndSaysNothingWhenNothingChanged) {  // C31
  open();
  const auto before = watch->facts();
  watch->hint();
  ip("addr add 172.17.0.1/16 dev side0");
  ASSERT_TRUE(test::run_until(loop, [&] { return watch->facts() != before; }));
  EXPECT_TRUE(changes.empty());
}

/// A connection from 192.0.2.7 to itself, as the kernel routes own addresses.
class DestroyTest : public NetworkTest {
 protected:
  void SetUp() override {
    NetworkTest::SetUp();
    server.emplace();
    pair = connect();
    other = connect();
  }
  test::Pair connect() {
    test::Pair made;
    made.client.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in from = {};
    from.sin_family = AF_INET;
    from.sin_addr.s_addr = ::inet_addr("192.0.2.7");
    EXPECT_EQ(::bind(made.client.get(), reinterpret_cast<sockaddr*>(&from), sizeof from), 0);
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    from.sin_port = htons(static_cast<std::uint16_t>(server->port()));
    EXPECT_EQ(::connect(made.client.get(), reinterpret_cast<sockaddr*>(&from), sizeof from), 0);
    made.server = server->accept();
    return made;
  }
  static int state_of(const io::UniqueFd& fd) {
    pollfd wait{fd.get(), POLLIN | POLLRDHUP, 0};
    ::poll(&wait, 1, 0);
    return wait.revents;
  }
  base::Result<void> destroy(const io::UniqueFd& fd) {
    const auto ends = socket_ends(fd.get());
    const auto cookie = socket_cookie(fd.get());
    if (!ends || !cookie) return base::fail(ErrorCode::kNotFound, "test");
    return destroy_socket(*ends, *cookie);
  }

  std::optional<test::Server> server;  // made in the namespace
  test::Pair pair, other;
};

TEST_F(DestroyTest, EndsTheConnectionThatItNamesAndNoOther) {  // C31
  ip("addr del 192.0.2.7/24 dev up0");
  EXPECT_EQ(state_of(pair.client), 0) << "a socket notices by itself, so nobody need tell it";
  const auto ends = socket_ends(pair.client.get());
  ASSERT_OK(ends);
  EXPECT_EQ(ends->local, address("192.0.2.7"));
  EXPECT_OK(destroy(pair.client));
  EXPECT_NE(state_of(pair.client) & (POLLERR | POLLHUP), 0);
  char byte = 0;
  EXPECT_EQ(::recv(pair.client.get(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNABORTED);
  EXPECT_EQ(state_of(other.client), 0);
}

TEST_F(DestroyTest, LeavesASocketAloneThatHasOnlyTheSameEnds) {
  const auto ends = socket_ends(pair.client.get());
  const auto cookie = socket_cookie(other.client.get());
  ASSERT_OK(ends);
  ASSERT_OK(cookie);
  const auto tried = destroy_socket(*ends, *cookie);
  ASSERT_FALSE(tried);
  EXPECT_EQ(tried.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(state_of(pair.client), 0);
}

TEST_F(DestroyTest, EndsAUdpSocketWithAndWithoutAPeer) {  // C4, C31
  for (const bool connected : {true, false}) {
    const io::UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in end = {};
    end.sin_family = AF_INET;
    end.sin_addr.s_addr = ::inet_addr("192.0.2.7");
    ASSERT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&end), sizeof end), 0);
    end.sin_addr.s_addr = ::inet_addr("192.0.2.8");
    end.sin_port = htons(5060);
    if (connected) {
      ASSERT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&end), sizeof end), 0);
    }
    const auto ends = socket_ends(fd.get());
    ASSERT_OK(ends);
    EXPECT_EQ(ends->local, address("192.0.2.7"));
    EXPECT_EQ(ends->remote_port, connected ? 5060 : 0);
    EXPECT_OK(destroy(fd));
    EXPECT_NE(state_of(fd) & POLLERR, 0) << connected;
    char byte = 0;
    EXPECT_EQ(::recv(fd.get(), &byte, 1, MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, ECONNABORTED) << connected;
    EXPECT_EQ(state_of(pair.client), 0);
  }
}

TEST_F(DestroyTest, SaysThatItMayNot) {
  const pid_t child = ::fork();
  if (child == 0) {
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2] = {};
    if (::syscall(SYS_capset, &header, none) != 0) ::_exit(1);
    const auto tried = destroy(pair.client);
    ::_exit(tried ? 2 : tried.error().code == ErrorCode::kPermission ? 0 : 3);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(state_of(pair.client), 0);
}

TEST(SocketEnds, AreThoseOfConnectionsAlone) {
  const io::UniqueFd loose(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(socket_ends(loose.get()).error().code, ErrorCode::kNotConnected);
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const io::UniqueFd one(ends[0]), two(ends[1]);
  EXPECT_EQ(socket_ends(one.get()).error().code, ErrorCode::kNotTcp);
  EXPECT_EQ(socket_ends(-1).error().code, ErrorCode::kNotSocket);
}

}  // namespace
}  // namespace wakeline::sys
