// SPDX-License-Identifier: Apache-2.0
// Local notifications: a real bus and server, and what the user's answer does with a sleeping or
// ended app.
#include <cstdlib>
#include <fstream>
#include <optional>

#include "host_fixture.h"
#include "io/file.h"
#include "linux_desktop.h"

namespace wakeline::host {
namespace {

using sys::test::BusDaemon;
using sys::test::DesktopServer;
using wire::host::AppState;

/// The number that the server of the tests gives its first notification.
constexpr std::uint32_t kFirst = 41;

class HostNotice : public HostTest {
 public:
  HostNotice() { ::setenv("DBUS_SESSION_BUS_ADDRESS", bus.address().c_str(), 1); }
  ~HostNotice() override { ::unsetenv("DBUS_SESSION_BUS_ADDRESS"); }

 protected:
  DesktopServer& open_server() {
    return server.emplace(bus.address(), std::vector<std::string>{"actions", "body"});
  }

  /// Starts everything, and lets the app post one.
  TestApp post(const std::string& id) {
    write_manifest(id);
    start_host({"notifier=dbus"});
    TestApp app = accept_app();
    tag_of(app);
    app.report.command("notify Ring");
    number_of(app.report.expect("reply ok"));
    EXPECT_EQ(wait_ledger(id, "notify", "desktop").detail, "Ring");
    return app;
  }

  BusDaemon bus;
  std::optional<DesktopServer> server;
  DesktopServer& desktop = open_server();  // the one that is there
};
INSTANTIATE_TEST_SUITE_P(Freezer, HostNotice, testing::Values("cgroup", "sigstop"), parameter_name);

TEST_P(HostNotice, ReachesTheDesktopUnderTheNameOfTheApp) {  // C27
  TestApp app = post("ring");
  const auto received = desktop.received();
  ASSERT_EQ(received.size(), 1U);
  EXPECT_EQ(received[0].app, "Test ring");
  EXPECT_EQ(received[0].title, "Ring");
  EXPECT_EQ(received[0].actions, (std::vector<std::string>{"default", "Open", "answer", "Answer"}));
}

TEST_P(HostNotice, WakesASleepingAppWithTheUsersAnswer) {  // C28
  TestApp app = post("answer");
  wait_ledger("answer", "suspend");
  desktop.invoke(kFirst, "answer");
  wait_ledger("answer", "wake", "notification");
  EXPECT_EQ(app.report.expect("activated"), "activated answer payload of Ring");
  EXPECT_EQ(info("answer").state, AppState::kBackground);
  // Answered, it is closed; what comes after it is nobody's.
  wait_ledger("answer", "suspend");
}

TEST_P(HostNotice, HandsTheRightToTheFocusOn) {  // C28
  TestApp app = post("focus");
  wait_ledger("focus", "suspend");
  desktop.give_token(kFirst, "token-1");
  desktop.invoke(kFirst, "default");
  EXPECT_EQ(app.report.expect("activated"), "activated default payload of Ring token-1");
}

TEST_P(HostNotice, StaysAsTheUserWantsIt) {  // C27
  for (const char* style : {"alert", "none"}) {
    write_file(std::string(style) + ".desktop",
               "[Desktop Entry]\nType=Application\nName=Test\nExec=" WAKELINE_TEST_APP
               "\nX-Wakeline-BackgroundModes=voip;\nX-Wakeline-NotificationStyle=" +
                   std::string(style) +
                   "\nX-Wakeline-Environment=WAKELINE_TEST_PORT=" + std::to_string(port()) + ";\n");
  }
  start_host({"notifier=dbus"});
  for (int i = 0; i < 2; ++i) {
    TestApp app = accept_app();
    tag_of(app);
    app.report.command("notify Ring");
    number_of(app.report.expect("reply ok"));  // it cannot tell
  }
  // Both are in the ledger; only one has come to the desktop, for good.
  wait_ledger("none", "notify", "not_wanted");
  EXPECT_TRUE(sys::test::eventually([&] { return desktop.received().size() == 1; }));
  EXPECT_EQ(desktop.received()[0].display_ms, 0);
}

TEST_P(HostNotice, ReplacesASoundThatIsTooLong) {  // C27
  // 8 kHz, one byte a sample: a second is 8,000 bytes.
  const auto wav = [&](const std::string& name, std::uint32_t seconds) {
    const auto number = [](std::uint32_t value) {
      std::string text(4, '\0');
      for (int i = 0; i < 4; ++i)
        text[static_cast<std::size_t>(i)] = static_cast<char>(value >> (8 * i));
      return text;
    };
    std::string format("\1\0\1\0", 4);
    format += number(8'000) + number(8'000) + std::string("\1\0\10\0", 4);
    const std::string path = folder + "/" + name;
    std::ofstream(path) << "RIFF" << number(36 + seconds * 8'000) << "WAVEfmt " << number(16)
                        << format << "data" << number(seconds * 8'000)
                        << std::string(seconds * 8'000, '\0');
    return path;
  };
  write_manifest("sound");
  start_host({"notifier=dbus"});
  TestApp app = accept_app();
  tag_of(app);
  const std::string fits = wav("fits.wav", 30);
  for (const std::string& sound : {fits, wav("long.wav", 31), folder + "/none.wav"}) {
    app.report.command("sound " + sound);
    number_of(app.report.expect("reply ok"));
  }
  ASSERT_TRUE(sys::test::eventually([&] { return desktop.received().size() == 3; }));
  const auto received = desktop.received();
  EXPECT_EQ(received[0].hints.at("sound-file"), fits);
  for (std::size_t i = 1; i < 3; ++i) {
    EXPECT_EQ(received[i].hints.count("sound-file"), 0U);
    EXPECT_EQ(received[i].hints.at("sound-name"), "message-new-instant");
  }
}

TEST_P(HostNotice, BringsTheAppToTheForegroundWhenTheUserOpensIt) {  // C28
  TestApp app = post("open");
  wait_ledger("open", "suspend");
  desktop.invoke(kFirst, "default");
  wait_ledger("open", "wake", "notification");
  wait_ledger("open", "foreground");
  EXPECT_EQ(app.report.expect("state"), "state foreground");
  EXPECT_EQ(app.report.expect("activated"), "activated default payload of Ring");
}

TEST_P(HostNotice, LaunchesAnEndedAppForTheUsersAnswer) {  // C28, C23
  TestApp app = post("ended");
  app.report.command("exit 0");
  wait_ledger("ended", "exit");
  desktop.invoke(kFirst, "answer");
  TestApp again = accept_app();
  EXPECT_EQ(again.report.expect("welcome"), "welcome ended notification background");
  EXPECT_EQ(again.report.expect("activated"), "activated answer payload of Ring");
}

TEST_P(HostNotice, C28AnAnswerReachesItsAppUnderTheNextHostToo) {
  TestApp app = post("later");
  const auto noted = [&] {
    const auto text = io::read_file(folder + "/run/notices.json", 100'000);
    return text && text->find("payload of Ring") != std::string::npos;
  };
  EXPECT_TRUE(sys::test::eventually(noted));
  std::uint32_t again = kFirst;
  for (const Change how : {Change::kUpgrade, Change::kDeath}) {
    change_host(how, {"notifier=dbus"});
    app.report.expect("welcome");
    // It has found the server when it shows another one.
    app.report.command("notify Again");
    app.report.expect("reply ok");
    wait_ledger("later", "notify", "desktop");
    wait_ledger("later", "suspend");
    desktop.invoke(kFirst, "answer");
    wait_ledger("later", "wake", "notification");
    EXPECT_EQ(app.report.expect("activated"), "activated answer payload of Ring");
    desktop.invoke(++again, "answer");
    EXPECT_EQ(app.report.expect("activated"), "activated answer payload of Again");
  }
}

TEST_P(HostNotice, C28AfterTheEndOfItsServerANumberIsNobodys) {
  TestApp app = post("stale");
  kill_host();
  server.reset();
  open_server();
  start_host({"notifier=dbus"});
  app.report.expect("welcome");
  app.report.command("notify Again");
  app.report.expect("reply ok");
  wait_ledger("stale", "notify", "desktop");
  // Another server's first number is the same; it is of the second notification.
  desktop.invoke(kFirst, "answer");
  EXPECT_EQ(app.report.expect("activated"), "activated answer payload of Again");
}

TEST_P(HostNotice, IsPrintedWhereThereIsNoDesktop) {  // C27
  bus.kill();
  write_manifest("print");
  start_host({"notifier=dbus"});
  TestApp app = accept_app();
  tag_of(app);
  app.report.command("notify Knock");
  app.report.expect("reply ok");
  EXPECT_EQ(wait_ledger("print", "notify", "terminal").detail, "Knock");
  EXPECT_NE(host_log().find("Knock"), std::string::npos);
}

}  // namespace
}  // namespace wakeline::host
