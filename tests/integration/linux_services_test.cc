// SPDX-License-Identifier: Apache-2.0
// What the machine's services tell: logind of its sleep, modems of their calls, NetworkManager of
// the network. A real bus; the services are python-dbusmock's.
#include <ctime>

#include "io/clock.h"
#include "linux/call_watch.h"
#include "linux/network_manager.h"
#include "linux/sleep_watch.h"
#include "linux/system_bus.h"
#include "linux_desktop.h"
#include "linux_fixture.h"
#include "linux_mock.h"

namespace wakeline::sys {
namespace {

using namespace std::chrono_literals;
using test::BusDaemon;
using test::MockLogind;
using test::MockModemManager;
using test::MockService;

constexpr auto kLong = 30s;

class ServicesTest : public ::testing::Test {
 protected:
  bool run_until(const std::function<bool()>& is_true) {
    return test::run_until(loop, is_true, kLong);
  }

  BusDaemon daemon;
  io::Loop loop;
  SystemBus bus{loop, daemon.address()};
};

class SleepTest : public ServicesTest {
 protected:
  SleepTest() {
    auto made = SleepWatch::create(
        loop, bus,
        {.on_prepare = [this](base::Duration bound) { prepared.push_back(bound); },
         .on_resumed = [this](base::Duration slept) { resumed.push_back(slept); }},
        [this] { return asleep; });
    EXPECT_OK(made);
    watch = std::move(*made);
  }
  // The manager and its inhibitors as everybody sees them.
  std::string inhibitors(const MockLogind& logind) const {
    return logind.call(MockLogind::kName, "/org/freedesktop/login1",
                       "org.freedesktop.login1.Manager.ListInhibitors");
  }

  base::Duration asleep = 1h;
  std::unique_ptr<SleepWatch> watch;
  std::vector<base::Duration> prepared, resumed;
};

TEST_F(SleepTest, IsToldBeforeItBeginsAndDelayedUntilLetGo) {
  const MockLogind logind(daemon.address());
  ASSERT_TRUE(run_until([&] { return watch->holds_inhibitor(); }));
  EXPECT_EQ(watch->describe(), "told by logind, and may be delayed by 5 s");
  EXPECT_NE(inhibitors(logind).find("'sleep', 'Wakeline'"), std::string::npos);
  EXPECT_NE(inhibitors(logind).find("'delay'"), std::string::npos);

  logind.prepare_for_sleep(true);
  logind.prepare_for_sleep(true);  // elogind says it twice
  ASSERT_TRUE(run_until([&] { return !prepared.empty(); }));
  EXPECT_NE(inhibitors(logind).find("Wakeline"), std::string::npos);
  watch->let_sleep();
  EXPECT_TRUE(
      test::eventually([&] { return inhibitors(logind).find("Wakeline") == std::string::npos; }));

  asleep += 8h;
  logind.prepare_for_sleep(false);
  ASSERT_TRUE(run_until([&] { return watch->holds_inhibitor(); }));
  EXPECT_NE(inhibitors(logind).find("Wakeline"), std::string::npos);
  EXPECT_EQ(prepared, std::vector<base::Duration>{5s});
  EXPECT_EQ(resumed, std::vector<base::Duration>{8h});
}

TEST_F(SleepTest, ThatDoesNotComeIsOverAsWell) {
  const MockLogind logind(daemon.address());
  ASSERT_TRUE(run_until([&] { return watch->holds_inhibitor(); }));
  logind.prepare_for_sleep(true);
  logind.prepare_for_sleep(false);
  ASSERT_TRUE(run_until([&] { return !resumed.empty(); }));
  EXPECT_EQ(resumed, std::vector<base::Duration>{0s});
}

TEST_F(SleepTest, IsNoticedByTheClocksWhereNobodyTells) {
  // The bus has no logind: it says so, and nothing of it is waited for.
  ASSERT_TRUE(run_until([&] { return !bus.missing(); }));
  EXPECT_EQ(watch->describe(), "noticed when it is over, by the clocks; no logind");
  asleep += 2h;
  timespec now = {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  // Setting the clock cancels the same timers as a resume does; here by nothing. Without the right
  // to do it only the comparison can be tried, which the other cases do.
  if (::clock_settime(CLOCK_REALTIME, &now) == 0) {
    ASSERT_TRUE(run_until([&] { return !resumed.empty(); }));
    EXPECT_EQ(resumed, std::vector<base::Duration>{2h});
  } else {
    EXPECT_EQ(errno, EPERM);
  }
}

TEST_F(SleepTest, IsToldAgainByTheNextManager) {
  {
    const MockLogind logind(daemon.address());
    ASSERT_TRUE(run_until([&] { return watch->holds_inhibitor(); }));
  }
  ASSERT_TRUE(run_until([&] { return !watch->holds_inhibitor(); }));
  const MockLogind logind(daemon.address());
  ASSERT_TRUE(run_until([&] { return watch->holds_inhibitor(); }));
}

TEST(SystemBusTest, IsDoneWithoutWhereThereIsNone) {
  io::Loop loop;
  SystemBus bus(loop, "unix:path=/nonexistent/bus");
  const auto watch = SleepWatch::create(loop, bus, {});
  ASSERT_OK(watch);
  CallWatch calls(bus, nullptr);
  ASSERT_TRUE(test::run_until(loop, [&] { return bus.missing().has_value(); }));
  EXPECT_EQ((*watch)->describe(),
            "noticed when it is over, by the clocks; no logind: " + to_string(*bus.missing()));
  EXPECT_EQ(calls.describe(), "not told: neither ModemManager nor oFono is there");
}

TEST(SystemBusTest, ComesBackAfterItsDaemonDied) {
  io::Loop loop;
  auto daemon = std::make_unique<BusDaemon>();
  const std::string path = daemon->path();
  SystemBus bus(loop, daemon->address());
  const auto watch = SleepWatch::create(loop, bus, {});
  ASSERT_OK(watch);
  auto logind = std::make_unique<MockLogind>(daemon->address());
  ASSERT_TRUE(test::run_until(loop, [&] { return (*watch)->holds_inhibitor(); }, kLong));
  logind->end();
  daemon.reset();
  ASSERT_TRUE(test::run_until(loop, [&] { return bus.missing().has_value(); }, kLong));
  daemon = std::make_unique<BusDaemon>(path);
  logind = std::make_unique<MockLogind>(daemon->address());
  ASSERT_TRUE(test::run_until(loop, [&] { return (*watch)->holds_inhibitor(); }, kLong));
}

class CallsTest : public ServicesTest {
 protected:
  bool becomes(CallState state) {
    return run_until([&] { return calls.state() == state; });
  }
  std::vector<CallState> heard;
  CallWatch calls{bus, [this](CallState state) { heard.push_back(state); }};
};

constexpr const char* kOfono = "org.ofono";
constexpr const char* kVoiceManager = "org.ofono.VoiceCallManager";

TEST_F(CallsTest, OfOfonoAreHeardOf) {  // C30
  const MockService ofono(daemon.address(), kOfono, {"--template", "ofono"});
  ASSERT_TRUE(run_until([&] { return calls.describe() == "told by oFono"; }));
  ofono.call(kOfono, "/ril_0", std::string(kVoiceManager) + ".Dial", {"'0123'", "''"});
  ASSERT_TRUE(becomes(CallState::kActive));
  // The template's own hanging up takes the object away before it could tell.
  const std::string emit = "org.freedesktop.DBus.Mock.EmitSignal";
  ofono.call(kOfono, "/ril_0", emit,
             {kVoiceManager, "CallRemoved", "o", "[<objectpath '/ril_0/voicecall01'>]"});
  ASSERT_TRUE(becomes(CallState::kNone));
  ofono.call(kOfono, "/ril_0", emit,
             {kVoiceManager, "CallAdded", "oa{sv}",
              "[<objectpath '/ril_0/voicecall07'>, <{'State': <'incoming'>}>]"});
  ASSERT_TRUE(becomes(CallState::kIncoming));
  ofono.call(kOfono, "/ril_0", emit,
             {kVoiceManager, "CallRemoved", "o", "[<objectpath '/ril_0/voicecall07'>]"});
  ASSERT_TRUE(becomes(CallState::kNone));
  EXPECT_EQ(heard, (std::vector<CallState>{CallState::kActive, CallState::kNone,
                                           CallState::kIncoming, CallState::kNone}));
}

TEST_F(CallsTest, OfOfonoThatAreUnderWayAtTheStartAreFoundAndEndWithIt) {  // C30
  auto ofono = std::make_unique<MockService>(daemon.address(), kOfono,
                                             std::vector<std::string>{"--template", "ofono"});
  ofono->call(kOfono, "/ril_0", std::string(kVoiceManager) + ".Dial", {"'0123'", "''"});
  ASSERT_TRUE(becomes(CallState::kActive));
  ofono->end();
  ASSERT_TRUE(becomes(CallState::kNone));
}

TEST_F(CallsTest, OfModemManagerAreHeardOfFromTheFirstToTheLast) {  // C30
  const MockModemManager modem(daemon.address());
  // It rings when we come (again, should we have come before its call).
  modem.tell(MockModemManager::kModem, MockModemManager::kVoice, "CallAdded", "o",
             "[<objectpath '/call/1'>]");
  ASSERT_TRUE(becomes(CallState::kIncoming));
  EXPECT_EQ(calls.describe(), "told by ModemManager");
  modem.tell("/call/1", MockModemManager::kCall, "StateChanged", "iiu",
             "[<int32 3>, <int32 4>, <uint32 3>]");
  ASSERT_TRUE(becomes(CallState::kActive));
  modem.add_call("/call/2", 6);  // a second caller, while somebody speaks
  modem.tell(MockModemManager::kModem, MockModemManager::kVoice, "CallAdded", "o",
             "[<objectpath '/call/2'>]");
  // Its state is asked for; what comes back after this word has been heard as well.
  modem.tell("/call/2", MockModemManager::kCall, "StateChanged", "iiu",
             "[<int32 0>, <int32 6>, <uint32 0>]");
  modem.tell("/call/1", MockModemManager::kCall, "StateChanged", "iiu",
             "[<int32 4>, <int32 7>, <uint32 4>]");
  ASSERT_TRUE(becomes(CallState::kIncoming));
  modem.tell(MockModemManager::kModem, MockModemManager::kVoice, "CallDeleted", "o",
             "[<objectpath '/call/2'>]");
  ASSERT_TRUE(becomes(CallState::kNone));
  EXPECT_EQ(heard, (std::vector<CallState>{CallState::kIncoming, CallState::kActive,
                                           CallState::kIncoming, CallState::kNone}));
}

TEST_F(CallsTest, OfModemManagerThatAreUnderWayAtTheStartAreFound) {  // C30
  const MockModemManager modem(daemon.address());
  CallWatch late(bus, [](CallState) {});
  ASSERT_TRUE(run_until([&] { return late.state() == CallState::kIncoming; }));
}

TEST_F(ServicesTest, NetworkManagerGivesAHintAndAWord) {  // C31
  int hints = 0;
  NetworkManagerHint hint(bus, [&] { ++hints; });
  constexpr const char* kName = "org.freedesktop.NetworkManager";
  constexpr const char* kPath = "/org/freedesktop/NetworkManager";
  const MockService manager(daemon.address(), kName, {"--template", "networkmanager"});
  ASSERT_TRUE(run_until([&] { return hint.word() == "connected"; }));
  EXPECT_EQ(hint.kind(), "");
  const int before = hints;
  manager.call(kName, kPath, "org.freedesktop.DBus.Mock.SetGlobalConnectionState", {"60"});
  ASSERT_TRUE(run_until([&] { return hint.word() == "without internet"; }));
  EXPECT_GT(hints, before);
  // The template has not all that the service has.
  for (const auto& [property, value] :
       {std::pair{"PrimaryConnectionType", "<''>"}, std::pair{"Metered", "<uint32 0>"}}) {
    manager.call(kName, kPath, "org.freedesktop.DBus.Mock.AddProperty", {kName, property, value});
  }
  manager.call(kName, kPath, "org.freedesktop.DBus.Mock.UpdateProperties",
               {kName, "{'PrimaryConnectionType': <'gsm'>, 'Metered': <uint32 3>}"});
  ASSERT_TRUE(run_until([&] { return hint.kind() == "cellular"; }));
  EXPECT_TRUE(hint.metered());
}

}  // namespace
}  // namespace wakeline::sys
