// SPDX-License-Identifier: Apache-2.0
// The push client and the answers of its resolver: slow, wrong, none, and of a network without
// IPv4. The resolver is the system's; the name server is the test's.
#include "link_network_fixture.h"
#include "name_server.h"

namespace wakeline::test {
namespace {

using Type = NameServer::Type;
constexpr const char* kName = "push.test";
/// How long glibc waits for an answer before it asks again.
constexpr seconds kResolverPatience{5};

class LinkNames : public LinkNetwork {
 protected:
  void SetUp() override {
    server.set(std::string("name=") + kName);
    server.set("name=192.0.2.1");
    set_up("::");
    put_over("/etc/resolv.conf", "nameserver 127.0.0.1\n");
    put_over("/etc/hosts", "127.0.0.1 localhost\n");
    dns = std::make_unique<NameServer>();
  }
  PushClient::Options by_name() {
    auto o = options();
    o.host = kName;
    return o;
  }
  /// No way by IPv4 from here: all goes by the router, which is the server's machine. It has the
  /// address that a NAT64 there would translate to 192.0.2.1.
  void leave_ipv4() {
    for (const std::string cable : {"c1", "c2"}) ip("-4 address flush dev " + cable);
    ip("-6 address add 2001:db8:9::2/64 dev c1 nodad");
    far([] {
      ip("-6 address add 2001:db8:9::1/64 dev s1 nodad");
      ip("-6 address add 64:ff9b::c000:201/128 dev s1 nodad");
    });
    ip("-6 route add default via 2001:db8:9::1 dev c1");
    dns->set("ipv4only.arpa", Type::kIpv6, {.addresses = {"64:ff9b::c000:aa"}});
  }

  std::unique_ptr<NameServer> dns;
};

TEST_F(LinkNames, AFamilyThatTheNameServerNeverAnswersForCostsNoTime) {
  dns->set(kName, Type::kIpv4, {.addresses = {"10.9.1.1"}});
  dns->set(kName, Type::kIpv6, {.silent = true});
  Ringing app(by_name());
  ASSERT_FALSE(app.error) << app.error->message;
  const auto begin = std::chrono::steady_clock::now();
  app.client().start();
  ASSERT_TRUE(eventually([&] { return app.ready(); }));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kResolverPatience - seconds(1));
  EXPECT_GE(dns->asked(kName, Type::kIpv6), 1);
}

TEST_F(LinkNames, AnAnswerWithoutAddressesIsSaidAndOneThatComesLaterIsUsed) {
  dns->set(kName, Type::kIpv4, {});
  dns->set(kName, Type::kIpv6, {});
  Ringing app(by_name());
  ASSERT_FALSE(app.error) << app.error->message;
  app.client().start();
  ASSERT_TRUE(eventually([&] { return app.was("resolve_failed"); }));
  dns->set(kName, Type::kIpv4, {.addresses = {"10.9.1.1"}, .after = milliseconds(300)});
  app.client().kick();
  EXPECT_TRUE(eventually([&] { return app.ready(); }));
}

TEST_F(LinkNames, ALieLeadsToAServerThatIsNotTrustedAndTheTrueAddressIsTakenToo) {
  // On this very machine, at the server's port, and with a certificate of that name: its own.
  server::ServerProcess liar({std::string("name=") + kName});
  liar.ports.mqtts = server.ports.mqtts;
  ASSERT_TRUE(liar.start());
  dns->set(kName, Type::kIpv4, {.addresses = {"127.0.0.1", "10.9.1.1"}});
  dns->set(kName, Type::kIpv6, {});
  Ringing app(by_name());
  go_online(app);
  EXPECT_EQ(app.titles(), std::vector<std::string>{"first"});
  // Only lies: nothing is sent to the liar but a handshake.
  dns->set(kName, Type::kIpv4, {.addresses = {"127.0.0.1"}});
  auto other = by_name();
  other.state_file = folder.file("other");
  Ringing misled(other);
  ASSERT_FALSE(misled.error) << misled.error->message;
  misled.client().start();
  EXPECT_TRUE(eventually([&] { return misled.was("tls_failed"); }));
  EXPECT_FALSE(misled.ready());
}

TEST_F(LinkNames, ANameWithoutIpv6IsReachedThroughNat64WhereThereIsNoIpv4) {
  leave_ipv4();
  dns->set(kName, Type::kIpv4, {.addresses = {"192.0.2.1"}});
  dns->set(kName, Type::kIpv6, {});
  Ringing app(by_name());
  go_online(app);
  EXPECT_GE(dns->asked("ipv4only.arpa", Type::kIpv6), 1);
}

TEST_F(LinkNames, AnAddressOfIpv4IsReachedThroughNat64WhereThereIsNoIpv4) {
  leave_ipv4();
  auto literal = options();
  literal.host = "192.0.2.1";
  Ringing app(literal);
  go_online(app);
}

}  // namespace
}  // namespace wakeline::test
