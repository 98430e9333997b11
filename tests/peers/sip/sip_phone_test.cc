// SPDX-License-Identifier: Apache-2.0
// A softphone that nobody here wrote, unmodified, under `wakeline run`.
#include <fmt/format.h>

#include <algorithm>

#include "sip_phone_fixture.h"

namespace wakeline::peers {
namespace {

/// How long a proxy waits for any answer to an INVITE: Timer B. Source: RFC 3261 §17.1.1.2.
constexpr auto kTimerB = 32s;
/// The median on a quiet machine is below it; on a loaded one the fastest is.
constexpr auto kPromptly = 10ms;

class SipPhone : public SipPhoneTest {};
INSTANTIATE_TEST_SUITE_P(Peers, SipPhone, testing::Values(freezer()), host::parameter_name);

TEST_P(SipPhone, RingsAndAnswersOverTcpAndTlsWhileItIsSuspendedInBetween) {
  start_host();
  Registrar registrar(folder);
  for (const bool tls : {false, true}) {
    SCOPED_TRACE(tls ? "TLS" : "TCP");
    start_phone(registrar, {.tls = tls});
    std::vector<std::chrono::microseconds> rings;
    for (int i = 0; i < 5; ++i) {
      rings.push_back(ring(registrar));
      EXPECT_GT(rings.back(), 0us);
      EXPECT_LT(rings.back(), kTimerB);
      wait_ledger("phone", "wake", "socket_data");
      expect_suspended("phone");
    }
    std::ranges::sort(rings);
    fmt::print("{}: INVITE sent to 180 received: p50 {} us, longest {} us\n", tls ? "TLS" : "TCP",
               rings[rings.size() / 2].count(), rings.back().count());
    EXPECT_LT(rings.front(), kPromptly) << "not even one of " << rings.size();
    command(wire::host::Command::kClose, "phone");
    phone->wait();
  }
}

TEST_P(SipPhone, StaysReachableOverManyLivesOfItsRegistration) {
  start_host();
  Registrar registrar(folder);
  // The phone renews at 90 % of the time, when it runs: a tenth of the time between two wakes.
  start_phone(registrar, {.expires = 10s}, {"--keep-alive", "1"});
  const auto before = info("phone");
  registrar.wait_registrations(4);  // 27 s later at the least, two and a half lives
  EXPECT_GT(info("phone").wakes, before.wakes);
  expect_suspended("phone");
  ring(registrar);
}

TEST_P(SipPhone, RegistersAgainWhenItsRegistrarWasRestarted) {
  start_host();
  Registrar registrar(folder);
  start_phone(registrar, {.expires = 10s}, {"--keep-alive", "1"});
  registrar.stop();
  registrar.start();
  registrar.wait_registrations(1);
  expect_suspended("phone");
  ring(registrar);
}

TEST_P(SipPhone, IsLeftAloneWhileItIsInACall) {  // C29
  start_host();
  Registrar registrar(folder);
  start_phone(registrar, {.rtp_first = 21'000}, {"--media", "udp:21000-21200"});
  // Long enough for three windows of the shortened profile; the caller sends its sound back.
  const auto caller = call(folder, registrar, "alice", {.length = 7s, .media = true});
  phone->wait_line("Call established");
  wait_ledger("phone", "audio", "begun");
  wait_ledger("phone", "wake", "task");  // the look that finds its sound is one at a frozen program
  const auto line = next_line("phone", 3s);
  EXPECT_FALSE(line) << line->event << " " << line->reason;
  EXPECT_EQ(caller->wait(), 0) << caller->output();
  phone->wait_line("session closed");
  wait_ledger("phone", "audio", "ended");
  expect_suspended("phone");
}

TEST_P(SipPhone, SleepsThroughItsRegistrarsPingsAndStillRingsAtOnce) {  // C13
  start_host();
  Registrar registrar(folder, {.pings = 1s});
  start_phone(registrar, {}, {"--merge-pings", "8"});
  // Eight or so of them are one wake.
  const auto merged = wait_ledger("phone", "pings", "merged");
  EXPECT_GE(std::stoi(merged.detail), 4);
  wait_ledger("phone", "wake", "socket_data");
  expect_suspended("phone");
  const auto before = info("phone").wakes;
  EXPECT_LT(ring(registrar), 4s);  // no ping's wake came before it
  EXPECT_GE(info("phone").wakes, before + 1);
}

}  // namespace
}  // namespace wakeline::peers
