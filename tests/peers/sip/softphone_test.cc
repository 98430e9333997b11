// SPDX-License-Identifier: Apache-2.0
// examples/softphone, called through kamailio by sipp: it sleeps, rings, talks, yields.
#include <fmt/format.h>

#include <cstdlib>

#include "linux_desktop.h"
#include "linux_mock.h"
#include "peers_fixture.h"
#include "sip_peers.h"

namespace wakeline::peers {
namespace {

using sys::test::BusDaemon;
using sys::test::DesktopServer;
using sys::test::MockModemManager;

/// The first notification of the tests' desktop; later ones of the phone replace it.
constexpr std::uint32_t kNotice = 41;

class Softphone : public PeersTest {
 public:
  Softphone() {
    ::setenv("DBUS_SESSION_BUS_ADDRESS", bus.address().c_str(), 1);
    ::setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address().c_str(), 1);
  }
  ~Softphone() override {
    ::unsetenv("DBUS_SESSION_BUS_ADDRESS");
    ::unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
  }

 protected:
  /// The phone, signed in and suspended; its output is that of the program that started it.
  void start_phone(const std::string& options = {}, bool tls = false,
                   std::vector<std::string> host = {}) {
    write_file("softphone.desktop",
               fmt::format("[Desktop Entry]\nType=Application\nName=Softphone\n"
                           "Exec=/bin/sh -c \"exec {} alice@127.0.0.1:{} {} {} >> {} 2>&1\"\n"
                           "X-Wakeline-BackgroundModes=voip;audio;\n"
                           "X-Wakeline-Environment=SOFTPHONE_PASSWORD=secret;\n",
                           WAKELINE_SOFTPHONE, tls ? registrar.tls() : registrar.tcp(),
                           tls ? "transport=tls ca=" + registrar.certificate() : "transport=tcp",
                           options, file("phone.log")));
    write("phone.log", "");
    log = std::make_unique<PeerProgram>(
        std::vector<std::string>{"tail", "-n", "+1", "-f", file("phone.log")}, file("tail.log"));
    host.emplace_back("notifier=dbus");
    start_host(host);
    log->wait_line("signed in");
    expect_suspended("softphone");
  }
  void expect_notice(const std::string& title, const std::string& category) {
    EXPECT_TRUE(sys::test::eventually([&] {
      auto all = desktop.received();
      return !all.empty() && all.back().title.starts_with(title) &&
             all.back().hints["category"] == category;
    })) << title;
  }
  /// A call that rings, sleeping again meanwhile, and that the user answers.
  std::unique_ptr<PeerProgram> talk(const CallOptions& options) {
    auto caller = call(folder, registrar, "alice", options);
    log->wait_line("ringing");
    expect_notice("Call from sip:bob@", "call.incoming");
    expect_suspended("softphone");
    desktop.invoke(kNotice, "answer");
    wait_ledger("softphone", "audio", "begun");
    log->wait_line("talking");
    return caller;
  }
  /// The two numbers of the phone's report on a call.
  static std::pair<int, int> packets(const std::string& line) {
    int sent = -1, received = -1;
    const auto at = line.find("sent ");
    if (at != std::string::npos)
      std::sscanf(line.c_str() + at, "sent %d packets, received %d", &sent, &received);
    return {sent, received};
  }

  BusDaemon bus;
  DesktopServer desktop{bus.address(), {"actions", "body"}};
  Registrar registrar{folder};
  std::unique_ptr<PeerProgram> log;
};
INSTANTIATE_TEST_SUITE_P(Peers, Softphone, testing::Values(freezer()), host::parameter_name);

TEST_P(Softphone, RingsWhileItSleepsAndTalksBothWaysWithoutBeingSuspended) {  // C9, C27–C29
  start_phone();
  // It is asleep when it is called, asleep while it rings, and awake in the call for twice the
  // window of the shortened profile.
  const auto caller = talk({.length = 2s, .media = true});
  EXPECT_EQ(caller->wait(), 0) << caller->output();
  const auto [sent, received] = packets(log->wait_line("sent "));
  fmt::print("sent {} packets in 2 s, received {} of them back\n", sent, received);
  EXPECT_GE(sent, 80);      // of 100
  EXPECT_GE(received, 80);  // the caller's echo of them
  EXPECT_LE(received, sent);
  wait_ledger("softphone", "audio", "ended");
  expect_suspended("softphone");
}

TEST_P(Softphone, DeclinesByItsNotification) {  // C28
  start_phone();
  const auto caller = call(folder, registrar, "alice");
  expect_notice("Call from sip:bob@", "call.incoming");
  expect_suspended("softphone");
  desktop.invoke(kNotice, "decline");
  log->wait_line("call ended: declined");
  registrar.program().wait_line("REPLY 603");
  EXPECT_EQ(caller->wait(), 0) << caller->output();
}

TEST_P(Softphone, HoldsItsCallWhileACellularOneIsActive) {  // C29, C30
  const MockModemManager modem(bus.address());
  start_phone();
  const auto caller = talk({.length = 60s, .media = true});
  modem.tell(MockModemManager::kModem, MockModemManager::kVoice, "CallAdded", "o",
             "[<objectpath '/call/1'>]");
  modem.tell("/call/1", MockModemManager::kCall, "StateChanged", "iiu",
             "[<int32 3>, <int32 4>, <uint32 3>]");
  log->wait_line("on hold");
  wait_ledger("softphone", "audio", "interrupted");
  expect_suspended("softphone");
  modem.tell("/call/1", MockModemManager::kCall, "StateChanged", "iiu",
             "[<int32 4>, <int32 7>, <uint32 4>]");
  wait_ledger("softphone", "wake", "call");
  log->wait_line("back from hold");
}

TEST_P(Softphone, ShowsNoCallThatEndedBeforeItCouldRun) {
  // Every wake is one too many for this host, and waits longer than a call is worth ringing for.
  start_phone("ring_age_ms=1000", false,
              {"set:limit_wakes=0", "set:limit_delay_first=1500ms", "set:limit_delay_max=1500ms"});
  const auto caller = call(folder, registrar, "alice");
  wait_ledger("softphone", "wake_delayed", "socket_data");
  log->wait_line("stale call dropped");
  registrar.program().wait_line("REPLY 408");
  EXPECT_EQ(caller->wait(), 0) << caller->output();
  EXPECT_EQ(log->count_lines("ringing"), 0);
  EXPECT_TRUE(desktop.received().empty());
}

TEST_P(Softphone, RenewsItsRegistrationAndComesBackAfterItsRegistrarWasRestarted) {  // C10, C15
  start_phone("keep_alive=5", true);
  registrar.wait_registrations(3);
  wait_ledger("softphone", "wake", "keep_alive");
  registrar.stop();
  log->wait_line("line lost");
  registrar.start();
  registrar.wait_registrations(1);
  log->wait_line("signed in");
  expect_suspended("softphone");
  const auto caller = talk({});
  EXPECT_EQ(caller->wait(), 0) << caller->output();
}

TEST_P(Softphone, SignsInWhereItTrustsTheCertificateAndNowhereElse) {
  PeerProgram phone(
      {WAKELINE_SOFTPHONE, fmt::format("alice@127.0.0.1:{}", registrar.tls()), "transport=tls"},
      file("stranger.log"), {"SOFTPHONE_PASSWORD=secret"});
  phone.wait_line("line lost: no answer");
  EXPECT_EQ(registrar.registrations(), 0);
}

}  // namespace
}  // namespace wakeline::peers
