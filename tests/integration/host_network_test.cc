// SPDX-License-Identifier: Apache-2.0
// A sleeping app whose address goes away, in a network of the test's own.
#include <cstdlib>

#include "host_fixture.h"
#include "io/clock.h"
#include "network_namespace.h"

namespace wakeline::host {
namespace {

using sys::test::ip;

/// Entered before the fixture opens its sockets.
struct OwnNetwork {
  OwnNetwork() {
    entered = sys::test::enter_network_namespace();
    ip("link set lo up");
    ip("link add up0 type veth peer name far0");
    ip("link set up0 up");
    ip("link set far0 up");
    ip("addr add 192.0.2.7/24 dev up0");
    ip("route add default via 192.0.2.1");
    ip("link add side0 type veth peer name far1");
    ip("link set side0 up");
    ::setenv("WAKELINE_TEST_FROM", "192.0.2.7", 1);
  }
  ~OwnNetwork() { ::unsetenv("WAKELINE_TEST_FROM"); }
  bool entered = false;
};

class HostNetwork : public OwnNetwork, public HostTest {
 protected:
  TestApp sleeper(const std::vector<std::string>& more) {
    write_manifest("net");
    start_host(more);
    TestApp app = accept_app();
    tag_of(app);
    wait_ledger("net", "suspend");
    return app;
  }
};
INSTANTIATE_TEST_SUITE_P(Freezer, HostNetwork, testing::Values("cgroup", "sigstop"),
                         parameter_name);

TEST_P(HostNetwork, WakesAnAppWhoseAddressIsGoneWithAnErrorOnItsSocket) {  // C31, C10
  ASSERT_TRUE(entered);
  // A profile in which a change of the network alone wakes nobody.
  TestApp app = sleeper({"set:wake_on_network=false"});
  ip("addr del 192.0.2.7/24 dev up0");
  EXPECT_EQ(wait_ledger("net", "network", "connection_ended").detail, "192.0.2.7");
  wait_ledger("net", "wake", "socket_error");
  EXPECT_EQ(app.report.expect("line"), "line error");
}

TEST_P(HostNetwork, C4EndsAUdpSocketOfALostAddressSoThatItsAppHearsOfIt) {  // C31
  ASSERT_TRUE(entered);
  for (const bool permitted : {true, false}) {
    std::vector<std::string> options = {"set:wake_on_network=false"};
    if (!permitted) options.emplace_back("without=net_admin");
    write_manifest("net");
    start_host(options);
    TestApp app = accept_app();
    const std::string line = tag_of(app);
    app.report.command("udp");
    app.report.expect("udp ");
    app.report.expect("reply ok");
    // The UDP socket alone is tagged.
    app.report.command("untag " + line);
    app.report.expect("reply ok");
    wait_ledger("net", "untag");
    wait_ledger("net", "suspend");
    EXPECT_EQ(info("net").tags, 1U);
    ip("addr del 192.0.2.7/24 dev up0");
    EXPECT_EQ(wait_ledger("net", "network", permitted ? "connection_ended" : "address_lost").detail,
              "192.0.2.7");
    wait_ledger("net", "wake", "socket_data");
    if (permitted) {
      EXPECT_EQ(app.report.expect("datagram"), "datagram error");
    }
    // It can wake its app still.
    EXPECT_EQ(info("net").tags, 1U);
    control.reset();
    daemon.reset();
    ip("addr add 192.0.2.7/24 dev up0");
  }
}

TEST_P(HostNetwork, WakesAppsWhenTheWayOutChangesAndTellsThemHow) {  // C31
  ASSERT_TRUE(entered);
  TestApp app = sleeper({});
  ip("route replace default via 192.0.2.254");
  wait_ledger("net", "wake", "network");
  std::string told;
  do {
    told = app.report.expect("network");
  } while (!told.empty() && told != "network 192.0.2.7 by 192.0.2.254");
  EXPECT_NE(told, "");
}

TEST_P(HostNetwork, C31TheFaithfulProfilesWakeNobodyForAChangeAndTellIt) {
  ASSERT_TRUE(entered);
  int gateway = 200;
  for (const char* profile : {"ios", "ios-classic"}) {
    TestApp app = sleeper({std::string("profile=") + profile});
    const std::string by = "192.0.2." + std::to_string(++gateway);
    ip("route replace default via " + by);
    // The host looks a moment later, and the app hears of it in its next wake.
    std::string told;
    const base::Instant end = io::now() + kPatience;
    while (told != "network 192.0.2.7 by " + by && io::now() < end) {
      app.line.command("ping 1");
      while (const auto line = app.report.line(300ms)) {
        if (line->starts_with("network")) told = *line;
      }
    }
    EXPECT_EQ(told, "network 192.0.2.7 by " + by);
    wait_ledger("net", "suspend");
    const auto lines = wakeline({"log", "--state-folder", folder + "/state", "--app", "net"});
    EXPECT_NE(lines.output.find("socket_data"), std::string::npos) << lines.output;
    EXPECT_EQ(lines.output.find("network"), std::string::npos) << lines.output;
    control.reset();
    daemon.reset();
  }
}

TEST_P(HostNetwork, LetsAnAppSleepWhenTheChangeIsNotItsOwn) {  // C31
  ASSERT_TRUE(entered);
  TestApp app = sleeper({});
  ip("addr add 172.17.0.1/16 dev side0");
  ip("addr del 172.17.0.1/16 dev side0");
  ip("addr change 192.0.2.7/24 dev up0 valid_lft 4000 preferred_lft 4000");
  // The next word about it is the one of its own socket.
  app.line.command("ping 1");
  EXPECT_EQ(app.line.expect("pong"), "pong 1");
  wait_ledger("net", "wake", "socket_data");
}

TEST_P(HostNetwork, WakesAnAppWhoseAddressIsGoneAlsoWhereItsSocketCannotBeEnded) {  // C31
  ASSERT_TRUE(entered);
  TestApp app = sleeper({"set:wake_on_network=false", "without=net_admin"});
  ip("addr del 192.0.2.7/24 dev up0");
  EXPECT_EQ(wait_ledger("net", "network", "address_lost").detail, "192.0.2.7");
  wait_ledger("net", "wake", "socket_error");
  // It was a doubt: the address comes back, and the connection brings what it ever brought.
  wait_ledger("net", "suspend");
  ip("addr add 192.0.2.7/24 dev up0");
  app.line.command("ping 1");
  wait_ledger("net", "wake", "socket_data");
  EXPECT_EQ(app.line.expect("pong"), "pong 1");
}

}  // namespace
}  // namespace wakeline::host
