// SPDX-License-Identifier: Apache-2.0
// A softphone that nobody here wrote, whose network fails while it sleeps: in a network of the
// test's own, with the registrar behind a cable.
#include "network_namespace.h"
#include "sip_phone_fixture.h"

namespace wakeline::peers {
namespace {

using sys::test::ip;

constexpr const char* kPhone = "192.0.2.7";
constexpr const char* kRegistrar = "192.0.2.1";

/// Entered before the fixture opens its sockets.
struct OwnNetwork {
  OwnNetwork() : entered(sys::test::enter_network_namespace()) { ip("link set lo up"); }
  bool entered;
};

class SipNetwork : public OwnNetwork, public SipPhoneTest {
 protected:
  void SetUp() override {
    SipPhoneTest::SetUp();
    ASSERT_TRUE(entered);
    far_side = std::make_unique<PeerProgram>(
        std::vector<std::string>{"unshare", "--net", "sh", "-c", "echo there; exec sleep 600"},
        file("far.log"));
    ASSERT_FALSE(far_side->wait_line("there").empty());
    ip("link add near0 type veth peer name far0");
    ip("link set far0 netns " + std::to_string(far_side->pid()));
    ip(std::string("addr add ") + kPhone + "/24 dev near0");
    ip("link set near0 up");
    run_there({"ip", "link", "set", "lo", "up"});
    run_there({"ip", "addr", "add", std::string(kRegistrar) + "/24", "dev", "far0"});
    run_there({"ip", "link", "set", "far0", "up"});
  }
  std::vector<std::string> enter() const {
    return {"nsenter", "--net=/proc/" + std::to_string(far_side->pid()) + "/ns/net", "--"};
  }
  /// Returns: what it printed.
  std::string run_there(const std::vector<std::string>& command) const {
    std::vector<std::string> whole = enter();
    whole.insert(whole.end(), command.begin(), command.end());
    PeerProgram program(whole, file("there.log"));
    EXPECT_EQ(program.wait(), 0) << program.output();
    return program.output();
  }
  RegistrarOptions far_registrar() const { return {.address = kRegistrar, .enter = enter()}; }
  /// It renews at nine tenths of ten seconds, when it runs.
  void start_phone_here(Registrar& registrar) {
    start_phone(registrar, {.expires = 10s, .address = kPhone}, {"--keep-alive", "1"});
  }
  /// Registered by a new connection, asleep again, and reached over it.
  void is_back(Registrar& registrar, int registrations) {
    registrar.wait_registrations(registrations + 1);
    expect_suspended("phone");
    ring(registrar);
  }

  std::unique_ptr<PeerProgram> far_side;
};
INSTANTIATE_TEST_SUITE_P(Peers, SipNetwork, testing::Values(freezer()), host::parameter_name);

TEST_P(SipNetwork, RegistersAgainAfterItsConnectionWasResetInItsSleep) {  // C10
  start_host();
  Registrar registrar(folder, far_registrar());
  start_phone_here(registrar);
  const int before = registrar.registrations();
  const std::string killed = run_there({"ss", "-K", "-t", "dst", kPhone});
  EXPECT_NE(killed.find(kPhone), std::string::npos) << "nothing was reset: " << killed;
  wait_ledger("phone", "wake", "socket_error");
  is_back(registrar, before);
}

TEST_P(SipNetwork, RegistersAgainAfterItsAddressWasTakenAwayAndGivenBack) {  // C10, C31
  start_host({"set:wake_on_network=false"});
  Registrar registrar(folder, far_registrar());
  start_phone_here(registrar);
  const int before = registrar.registrations();
  ip(std::string("addr del ") + kPhone + "/24 dev near0");
  EXPECT_EQ(wait_ledger("phone", "network", "connection_ended").detail, kPhone);
  wait_ledger("phone", "wake", "socket_error");
  ip(std::string("addr add ") + kPhone + "/24 dev near0");
  is_back(registrar, before);
}

}  // namespace
}  // namespace wakeline::peers
