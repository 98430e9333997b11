// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <wakeline/app.h>

#include <chrono>

#include "app/host_testing.h"

/// Audio sessions, wake requests, calls and the network, as an app has them (C29–C31, C40).
namespace wakeline::app::test {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): times in tests

using Heard = std::vector<host::Message>;

class AroundTest : public testing::Test {
 protected:
  App create() {
    auto app = App::create({.host_path = path});
    WL_CHECK(app.has_value());
    return std::move(*app);
  }
  io::TestFolder folder;
  std::string path = folder.file("host.sock");
};
class HostedAroundTest : public AroundTest {
 protected:
  TestHost peer{path};
};

TEST_F(HostedAroundTest, C29AnAudioSessionBeginsAndEndsWithItsObject) {
  App app = create();
  {
    const auto session = app.begin_audio_session();
    ASSERT_TRUE(session);
    EXPECT_EQ(peer.take(1), Heard{host::SetAudioSession{.active = true}});
  }
  EXPECT_EQ(peer.take(1), Heard{host::SetAudioSession{.active = false}});
}

TEST_F(HostedAroundTest, C29TheLastOfSeveralSessionsEndsIt) {
  App app = create();
  auto first = app.begin_audio_session();
  auto second = app.begin_audio_session();
  ASSERT_TRUE(first && second);
  peer.take(2);
  *first = AudioSession();
  *second = AudioSession();
  EXPECT_EQ(peer.take(1), Heard{host::SetAudioSession{.active = false}});
}

TEST_F(HostedAroundTest, C29GivesTheHostsRefusal) {
  App app = create();
  peer.answer_with(TestHost::refuse(base::ErrorCode::kNotDeclared, "add audio;"));
  const auto session = app.begin_audio_session();
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error(), (Error{ErrorCode::kNotDeclared, "add audio;"}));
}

TEST_F(HostedAroundTest, C29C40ARestartedHostIsAskedForAllAgain) {
  App app = create();
  const auto session = app.begin_audio_session();
  const auto wake = app.request_wake(1h, 2h, [] {});
  ASSERT_TRUE(session && wake);
  peer.take(2);
  peer.stop();
  ASSERT_TRUE(dispatch_until(app, [&] { return !app.host(); }));
  peer.listen();
  const Heard heard = peer.take(2);
  EXPECT_EQ(heard[0], host::Message(host::SetAudioSession{.active = true}));
  const auto* asked = std::get_if<host::RequestWake>(&heard[1]);
  ASSERT_NE(asked, nullptr);
  EXPECT_LE(asked->earliest_ms, 3'600'000U);  // what is left of it
  EXPECT_GT(asked->earliest_ms, 3'500'000U);
  EXPECT_GT(asked->latest_ms, 7'100'000U);
}

TEST_F(HostedAroundTest, C40RunsTheHandlerOnceWhenTheHostSaysThatItIsDue) {
  App app = create();
  int runs = 0;
  const auto wake = app.request_wake(60s, 120s, [&] { ++runs; });
  ASSERT_TRUE(wake);
  EXPECT_EQ(peer.take(1), Heard{(host::RequestWake{.earliest_ms = 60'000, .latest_ms = 120'000})});
  peer.send(host::WakeDue{.wake = 1});
  peer.send(host::WakeDue{.wake = 1});
  peer.send(host::Woken{.cause = host::WakeCause::kWakeRequest});
  bool woken = false;
  app.on_woken([&](WakeCause cause) { woken = cause == WakeCause::kWakeRequest; });
  ASSERT_TRUE(dispatch_until(app, [&] { return woken; }));
  EXPECT_EQ(runs, 1);
}

TEST_F(HostedAroundTest, C40IsCancelledWithItsObject) {
  App app = create();
  auto wake = app.request_wake(60s, 120s, [] {});
  ASSERT_TRUE(wake);
  peer.take(1);
  *wake = WakeRequest();
  EXPECT_EQ(peer.take(1), Heard{host::CancelWake{.wake = 1}});
}

TEST_F(HostedAroundTest, C40IsCancelledAlsoWhenItsHandlerWaitsToBeDispatched) {
  App app = create();
  int runs = 0;
  auto wake = app.request_wake(60s, 120s, [&] { ++runs; });
  ASSERT_TRUE(wake);
  peer.send(host::WakeDue{.wake = 1});
  ASSERT_TRUE(becomes_readable(app.fd()));
  *wake = WakeRequest();
  EXPECT_EQ(app.dispatch(), 1U);
  EXPECT_EQ(runs, 0);
}

TEST_F(HostedAroundTest, C40EachRefusalHasItsOwnError) {
  App app = create();
  EXPECT_EQ(code(app.request_wake(1s, 2s, nullptr)), ErrorCode::kNoHandler);
  EXPECT_EQ(code(app.request_wake(2s, 1s, [] {})), ErrorCode::kInvalidArgument);
  for (const auto& [host_says, expected] :
       {std::pair{base::ErrorCode::kNotAllowed, ErrorCode::kNotAllowed},
        std::pair{base::ErrorCode::kOverBudget, ErrorCode::kOverBudget},
        std::pair{base::ErrorCode::kTooLarge, ErrorCode::kTooLarge}}) {
    peer.answer_with(TestHost::refuse(host_says, "no"));
    EXPECT_EQ(code(app.request_wake(1s, 2s, [] {})), expected);
  }
}

TEST_F(AroundTest, C40WithoutAHostATimerKeepsAWakeRequest) {
  App app = create();
  bool due = false;
  const auto wake = app.request_wake(1ms, 1h, [&] { due = true; });
  ASSERT_TRUE(wake);
  EXPECT_TRUE(dispatch_until(app, [&] { return due; }));
  EXPECT_TRUE(app.begin_audio_session());
}

TEST_F(HostedAroundTest, C30TellsOfCellularCalls) {
  App app = create();
  EXPECT_EQ(app.call_state(), CallState::kEnded);
  std::vector<CallState> states;
  app.on_call_state([&](CallState state) { states.push_back(state); });
  for (const auto state :
       {host::CallState::kIncoming, host::CallState::kActive, host::CallState::kEnded}) {
    peer.send(host::CallStateChanged{state});
  }
  ASSERT_TRUE(dispatch_until(app, [&] { return states.size() == 3; }));
  EXPECT_EQ(states, (std::vector{CallState::kIncoming, CallState::kActive, CallState::kEnded}));
}

TEST_F(HostedAroundTest, C31TellsOfTheNetworkByAddressAndRoute) {
  App app = create();
  EXPECT_EQ(app.network(), std::nullopt);
  std::vector<NetworkFacts> told;
  app.on_network_changed([&](const NetworkFacts& facts) { told.push_back(facts); });
  peer.send(
      host::NetworkChanged{{{"wlan0", "192.0.2.7"}}, {{"wlan0", "192.0.2.1"}}, "wifi", false});
  peer.send(host::NetworkChanged{{}, {}, "", false});
  ASSERT_TRUE(dispatch_until(app, [&] { return told.size() == 2; }));
  EXPECT_EQ(told[0], (NetworkFacts{.addresses = {{"wlan0", "192.0.2.7"}},
                                   .routes = {{"wlan0", "192.0.2.1"}},
                                   .kind = "wifi",
                                   .metered = false}));
  EXPECT_EQ(told[1], NetworkFacts());
  EXPECT_EQ(app.network(), NetworkFacts());
}

}  // namespace
}  // namespace wakeline::app::test
