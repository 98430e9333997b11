// SPDX-License-Identifier: Apache-2.0
// The push client over an odd end of what it remembers: files that are lost or older than its line,
// and clocks that jump, or begin anew, between two runs.
#include <time.h>

#include <filesystem>

#include "link_push_app.h"
#include "small_disk.h"

namespace wakeline::test {
namespace {

using std::chrono::hours;

class LinkState : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server.start());
    token = server.add_device("door");
    proxy = std::make_unique<FaultProxy>(server.ports.mqtts);
  }
  PushClient::Options options() {
    auto o = options_of(server, token, state);
    o.port = proxy->port();
    return o;
  }
  void push(const std::string& title) { EXPECT_EQ(push_to_door(server, title), 201U); }
  /// A run of the app that gets `title`.
  void run_and_get(const std::string& title) {
    Ringing app(options());
    bring_online(app);
    push(title);
    ASSERT_TRUE(eventually([&] { return app.titles() == std::vector{title}; }));
  }
  /// One whose end the server does not hear of: for it the line lives.
  void run_and_leave_the_line_half_open() {
    Ringing app(options());
    bring_online(app);
    proxy->freeze_all();
    push("into the void");
  }

  io::TestFolder folder;
  const std::string state = folder.file("state/door");
  server::ServerProcess server;
  std::string token;
  std::unique_ptr<FaultProxy> proxy;
};

TEST_F(LinkState, ThatIsLostLetsTheAppInBesideItsHalfOpenLineAndEachPushComesOnce) {
  run_and_get("first");
  run_and_get("second");
  run_and_leave_the_line_half_open();
  std::filesystem::remove_all(folder.file("state"));
  Ringing app(options());
  bring_online(app);
  EXPECT_FALSE(app.was("refused"));
  push("live");
  EXPECT_TRUE(eventually([&] { return app.pushes().size() == 2; }));
  EXPECT_EQ(app.titles(), (std::vector<std::string>{"into the void", "live"}));
}

TEST_F(LinkState, ThatIsOlderThanItsHalfOpenLineLetsTheAppInAfterOneRefusal) {
  run_and_get("first");
  std::filesystem::copy(folder.file("state"), folder.file("old"));
  run_and_get("second");
  run_and_get("third");
  run_and_leave_the_line_half_open();
  std::filesystem::remove_all(folder.file("state"));
  std::filesystem::rename(folder.file("old"), folder.file("state"));
  Ringing app(options());
  ASSERT_FALSE(app.error) << app.error->message;
  app.client().start();
  ASSERT_TRUE(eventually([&] { return app.was("refused"); }));
  app.client().kick();
  ASSERT_TRUE(eventually([&] { return app.ready(); }));
  push("live");
  EXPECT_TRUE(eventually([&] { return app.pushes().size() == 2; }));
  EXPECT_EQ(app.titles(), (std::vector<std::string>{"into the void", "live"}));
}

constexpr const char* kBootFile = "/proc/sys/kernel/random/boot_id";

struct Jump {
  const char* name;
  bool new_boot;     ///< the machine was started again as well
  seconds wall;      ///< what its wall clock is off by then
  const char* fate;  ///< of messages that have a day
};

void PrintTo(const Jump& jump, std::ostream* out) { *out << jump.name; }

class LinkClocks : public testing::TestWithParam<Jump> {
 protected:
  void TearDown() override {
    if (GetParam().new_boot) ::umount2(kBootFile, MNT_DETACH);
  }
  /// What is started from now on is on a machine that was started a moment ago.
  void start_machine_anew() {
    ASSERT_TRUE(enter_mount_namespace());
    const std::string id = folder.file("boot_id");
    std::ofstream(id) << "11111111-2222-3333-4444-555555555555\n";
    ASSERT_EQ(::mount(id.c_str(), kBootFile, nullptr, MS_BIND, nullptr), 0);
    ASSERT_EQ(::unshare(CLONE_NEWTIME), 0);
    std::ofstream offsets("/proc/self/timens_offsets");
    for (const auto& [name, clock] :
         {std::pair("monotonic", CLOCK_MONOTONIC), std::pair("boottime", CLOCK_BOOTTIME)}) {
      constexpr long kUptime = 20;  // seconds
      timespec now{};
      ASSERT_EQ(::clock_gettime(clock, &now), 0);
      offsets << name << ' ' << kUptime - now.tv_sec << " 0\n";
    }
    ASSERT_TRUE(offsets.flush());
  }

  io::TestFolder folder;
};

TEST_P(LinkClocks, BetweenTwoRunsDecideOverAMessageAsIsDocumented) {
  constexpr int kPromises = 2;
  server::ServerProcess server;
  ASSERT_TRUE(server.start());
  PushApp app(server.ports.mqtt, server.add_device("door"), "", kPromises);
  server.kill_now();
  app.start();
  ASSERT_TRUE(eventually([&] { return app.keys("promised").size() == kPromises; }));
  const auto promised = app.keys("promised");
  app.kill_now();

  if (GetParam().new_boot) start_machine_anew();
  app.set_clock(GetParam().wall);
  ASSERT_TRUE(server.start());
  app.start();
  const auto told = [&](const char* fate) {
    auto keys = app.keys(fate);
    std::erase_if(keys, [&](const std::string& key) { return !promised.contains(key); });
    return keys;
  };
  EXPECT_TRUE(
      eventually([&] { return told("sent").size() + told("expired").size() == promised.size(); }));
  EXPECT_EQ(told(GetParam().fate), promised);
}

INSTANTIATE_TEST_SUITE_P(All, LinkClocks,
                         testing::Values(Jump{"AJumpAhead", false, hours(24 * 30), "sent"},
                                         Jump{"AJumpBack", false, -hours(24 * 30), "sent"},
                                         Jump{"ANightOff", true, hours(12), "sent"},
                                         Jump{"TwoDaysOff", true, hours(48), "expired"},
                                         Jump{"NoClockOverARestart", true, -hours(24 * 3'650),
                                              "sent"}),
                         [](const auto& jump) { return std::string(jump.param.name); });

}  // namespace
}  // namespace wakeline::test
