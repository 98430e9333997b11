// SPDX-License-Identifier: Apache-2.0
// The push client on a machine with two ways to its server, in network namespaces of the test's
// own: ways that go, that swallow everything, that become worse than another.
#include <sys/resource.h>

#include "link_network_fixture.h"

namespace wakeline::test {
namespace {

TEST_F(LinkNetwork, AnAddressThatGoesIsLeftAtOnceForTheOtherWayC31) {
  name_server({"10.9.1.1", "10.9.2.1"});
  Ringing app(options());
  go_online(app);
  const auto before = lines();
  // Whichever way it took, that one goes.
  ASSERT_FALSE(before.empty());
  const bool first = before.front().starts_with("0201090A");
  ip(first ? "address del 10.9.1.2/24 dev c1" : "address del 10.9.2.2/24 dev c2");
  ASSERT_TRUE(eventually([&] { return app.was("network_changed"); }));
  ASSERT_TRUE(eventually([&] { return app.ready(); }));
  push("over the other");
  EXPECT_TRUE(eventually([&] { return app.pushes().size() == 2; }));
}

TEST_F(LinkNetwork, AnIpv6WayThatSwallowsEverythingCostsItsHeadStartAndNoMore) {
  name_server({"2001:db8:9::1", "10.9.2.1"});
  ip("-6 address add 2001:db8:9::2/64 dev c1 nodad");
  // Somebody is there, says the neighbour table: what is sent there is dropped unseen.
  ip("-6 neighbour add 2001:db8:9::1 lladdr 02:00:00:00:00:09 dev c1");
  Ringing app(options());
  const auto begin = std::chrono::steady_clock::now();
  go_online(app);
  // An attempt that is waited for to its end takes ten seconds.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(8));
  EXPECT_FALSE(lines().empty());      // of IPv4
  EXPECT_GE(connections_tried(), 2);  // it was not passed over
}

TEST_F(LinkNetwork, ABetterWayIsTakenBeforeTheOldOneIsLeft) {
  name_server({"10.9.1.1"});
  Ringing app(options());
  go_online(app);
  const auto before = lines();
  ASSERT_FALSE(before.empty());
  ip("route replace default via 10.9.2.1");
  ASSERT_TRUE(eventually([&] {
    const auto now = lines();
    return !now.empty() && std::ranges::find(now, before.front()) == now.end();
  }));
  push("after the move");
  EXPECT_TRUE(eventually([&] { return app.pushes().size() == 2; }));
  EXPECT_TRUE(app.ready());
  EXPECT_FALSE(app.was("network_changed"));  // the old one was not left for that
}

TEST_F(LinkNetwork, ALinkLocalAddressIsAsGoodAsAnotherC31) {
  ip("address add 169.254.9.2/24 dev c1");
  far([] { ip("address add 169.254.9.1/24 dev s1"); });
  name_server({"169.254.9.1"});
  Ringing app(options());
  go_online(app);
  const auto before = lines();
  ip("address add 10.9.3.2/24 dev c2");  // of no importance
  push("over the same");
  ASSERT_TRUE(eventually([&] { return app.pushes().size() == 2; }));
  EXPECT_EQ(lines(), before);
  EXPECT_FALSE(app.was("network_changed"));
}

TEST_F(LinkNetwork, AListOfAddressesThatCannotBeReadTakesNoLineAwayC31) {
  name_server({"10.9.1.1"});
  Ringing app(options());
  go_online(app);
  const auto before = lines();
  {
    // No descriptor is left to ask the kernel with.
    rlimit former{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &former), 0);
    rlimit few = former;
    few.rlim_cur = 256;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    std::vector<io::UniqueFd> all;
    while (io::UniqueFd fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)}) all.push_back(std::move(fd));
    ip("address add 10.9.3.2/24 dev c2");
    // What the library's thread heard before, it has done with by then.
    for (int i = 0; i < 3; ++i) (void)app.client().outbox_size();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &former), 0);
  }
  push("over the same");
  ASSERT_TRUE(eventually([&] { return app.pushes().size() == 2; }));
  EXPECT_EQ(lines(), before);
  EXPECT_FALSE(app.was("network_changed"));
}

}  // namespace
}  // namespace wakeline::test
