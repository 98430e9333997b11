// SPDX-License-Identifier: Apache-2.0
// What happens around the apps: the machine's sleep, calls, local sockets that fill up, memory. A
// real host and app; the machine's services are mocks on a private bus.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "host_fixture.h"
#include "io/clock.h"
#include "linux/reclaim.h"
#include "linux_desktop.h"
#include "linux_mock.h"

namespace wakeline::host {
namespace {

using sys::test::BusDaemon;
using sys::test::MockLogind;
using sys::test::MockService;
using wire::host::AppState;
using wire::host::Command;

class HostSystem : public HostTest {
 public:
  HostSystem() { ::setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address().c_str(), 1); }
  ~HostSystem() override { ::unsetenv("DBUS_SYSTEM_BUS_ADDRESS"); }

 protected:
  /// Starts an app and lets it fall asleep.
  TestApp sleeper(const std::string& id, const std::vector<std::string>& more = {}) {
    write_manifest(id);
    start_host(more);
    TestApp app = accept_app();
    tag_of(app);
    wait_ledger(id, "suspend");
    return app;
  }
  BusDaemon bus;
};
INSTANTIATE_TEST_SUITE_P(Freezer, HostSystem, testing::Values("cgroup", "sigstop"), parameter_name);

TEST_P(HostSystem, RunsWhatIsDueBeforeTheMachineSleepsAndLetsItSleepThen) {  // C18
  const MockLogind logind(bus.address());
  const auto holds = [&] {
    return logind
               .call(MockLogind::kName, "/org/freedesktop/login1",
                     "org.freedesktop.login1.Manager.ListInhibitors")
               .find("Wakeline") != std::string::npos;
  };
  // A handler that may run at any time of its hour.
  write_manifest("due");
  start_host({"set:keep_alive_early_percent=100"});
  TestApp app = accept_app();
  tag_of(app);
  app.report.command("keepalive 3600");
  number_of(app.report.expect("reply ok"));
  wait_ledger("due", "suspend");
  EXPECT_TRUE(sys::test::eventually(holds));
  logind.prepare_for_sleep(true);
  EXPECT_EQ(wait_ledger("", "host", "sleep").event, "host");
  EXPECT_NE(app.report.expect("keepalive"), "");
  EXPECT_TRUE(sys::test::eventually([&] { return !holds(); }));
  logind.prepare_for_sleep(false);
  wait_ledger("", "host", "resume");
  EXPECT_TRUE(sys::test::eventually(holds));
}

TEST_P(HostSystem, TellsAppsOfCallsAlsoThoseThatSleep) {  // C30
  constexpr const char* kOfono = "org.ofono";
  const MockService ofono(bus.address(), kOfono, {"--template", "ofono"});
  TestApp app = sleeper("call");
  ofono.call(kOfono, "/ril_0", "org.ofono.VoiceCallManager.Dial", {"'0123'", "''"});
  // It is told at its next wake.
  app.line.command("ping 1");
  EXPECT_EQ(app.line.expect("pong"), "pong 1");
  EXPECT_EQ(app.report.expect("call"), "call active");
  ofono.call(
      kOfono, "/ril_0", "org.freedesktop.DBus.Mock.EmitSignal",
      {"org.ofono.VoiceCallManager", "CallRemoved", "o", "[<objectpath '/ril_0/voicecall01'>]"});
  app.line.command("ping 2");
  EXPECT_EQ(app.report.expect("call"), "call ended");
}

TEST_P(HostSystem, C29C30ACellularCallInterruptsAnAudioSessionAndItsEndBringsItBack) {
  constexpr const char* kOfono = "org.ofono";
  const MockService ofono(bus.address(), kOfono, {"--template", "ofono"});
  write_manifest("talk", "voip;audio;");
  start_host();
  TestApp app = accept_app();
  tag_of(app);
  app.line.command("raw " + *wire::host::encode(wire::host::SetAudioSession{9, true}));
  app.report.expect("reply ok");
  wait_ledger("talk", "audio", "begun");
  EXPECT_EQ(next_line("talk", 1'500ms), std::nullopt);  // longer than its window
  ofono.call(kOfono, "/ril_0", "org.ofono.VoiceCallManager.Dial", {"'0123'", "''"});
  wait_ledger("talk", "audio", "interrupted");
  EXPECT_EQ(app.report.expect("call"), "call active");
  wait_ledger("talk", "suspend");
  ofono.call(
      kOfono, "/ril_0", "org.freedesktop.DBus.Mock.EmitSignal",
      {"org.ofono.VoiceCallManager", "CallRemoved", "o", "[<objectpath '/ril_0/voicecall01'>]"});
  wait_ledger("talk", "audio", "continued");
  wait_ledger("talk", "wake", "call");
  EXPECT_EQ(app.report.expect("call"), "call ended");
  // It plays on, and is not suspended.
  EXPECT_EQ(next_line("talk", 1'500ms), std::nullopt);
  EXPECT_FALSE(is_frozen(app.pid));
}

/// Our end of a local socket of the app.
class LocalPeer {
 public:
  explicit LocalPeer(const std::string& path) : path_(path) {
    listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_.get(), 1), 0);
  }
  ~LocalPeer() { ::unlink(path_.c_str()); }
  void accept() {
    peer_.reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_TRUE(peer_);
  }
  /// A display server's event. False: the app's socket has been full for as long as a test waits.
  bool send() {
    const std::string event(32, 'e');
    pollfd wait{peer_.get(), POLLOUT, 0};
    return ::poll(&wait, 1, 20'000) > 0 &&
           ::send(peer_.get(), event.data(), event.size(), MSG_NOSIGNAL | MSG_DONTWAIT) == 32;
  }

 private:
  std::string path_;
  io::UniqueFd listener_, peer_;
};

TEST_P(HostSystem, DrainsTheLocalSocketsOfASleepingApp) {  // C8
  write_manifest("drain");
  LocalPeer display(folder + "/display");
  start_host({"set:ipc_gap=50ms"});
  TestApp app = accept_app();
  tag_of(app);
  app.report.command("local " + folder + "/display");
  EXPECT_EQ(app.report.expect("local"), "local");
  display.accept();
  wait_ledger("drain", "suspend");
  // Four times what the socket of a sleeping reader holds.
  for (int i = 0; i < 1'200; ++i) ASSERT_TRUE(display.send()) << i;
  wait_ledger("drain", "wake", "ipc");
  int read = 0;
  const auto read_until = [&](int bytes) {
    while (read < bytes) {
      const std::string line = app.report.expect("local ");
      if (line.empty()) return;
      read = std::stoi(line.substr(6));
    }
  };
  // What is too little to wake for may lie there for a minute.
  constexpr int kAll = 1'200 * 32;
  read_until(kAll - 2'048);
  EXPECT_GE(read, kAll - 2'048);
  wait_ledger("drain", "suspend");
  command(Command::kForeground, "drain");
  read_until(kAll);
  EXPECT_EQ(read, kAll);
}

TEST_P(HostSystem, WakesForItsLocalSocketsAnAppThatWantsIt) {
  write_manifest("ui");
  write_file("ui.desktop",
             "[Desktop Entry]\nType=Application\nName=Test ui\nExec=" WAKELINE_TEST_APP
             "\nX-Wakeline-BackgroundModes=voip;\nX-Wakeline-Ipc=wake\n"
             "X-Wakeline-Environment=WAKELINE_TEST_PORT=" +
                 std::to_string(port()) + ";\n");
  LocalPeer display(folder + "/display");
  start_host();
  TestApp app = accept_app();
  tag_of(app);
  app.report.command("local " + folder + "/display");
  EXPECT_EQ(app.report.expect("local"), "local");
  display.accept();
  wait_ledger("ui", "suspend");
  ASSERT_TRUE(display.send());
  // By a cause of its own.
  wait_ledger("ui", "wake", "ipc");
  EXPECT_EQ(app.report.expect("local "), "local 32");
}

TEST_P(HostSystem, GivesTheMemoryOfALongSleepBackOrSaysWhyNot) {
  write_file("long.desktop",
             "[Desktop Entry]\nType=Application\nName=Test long\nExec=" WAKELINE_TEST_APP
             "\nX-Wakeline-BackgroundModes=voip;\nX-Wakeline-Reclaim=true\n"
             "X-Wakeline-Environment=WAKELINE_TEST_PORT=" +
                 std::to_string(port()) + ";\n");
  start_host({"set:reclaim_after=50ms"});
  TestApp app = accept_app();
  tag_of(app);
  wait_ledger("long", "suspend");
  const auto line = wait_ledger("long", "reclaim");
  const auto swap = sys::free_swap_percent();
  if (!swap) {
    EXPECT_EQ(line.reason, "unsupported");
  } else if (*swap >= sys::kFreeSwapMin) {
    EXPECT_TRUE(line.reason == "done" || line.reason == "permission") << line.reason;
  }
  // The user is shown the same, and when it was.
  const auto known = info("long");
  EXPECT_GT(known.given_back_ns, 0);
  EXPECT_EQ(known.give_back_error == base::ErrorCode::kOk, line.reason == "done");
  const auto shown = wakeline({"apps", "info", "--runtime-folder", folder + "/run", "long"});
  EXPECT_EQ(shown.code, 0);
  const std::string told =
      line.reason == "done" ? std::to_string(known.given_back_kib) + " KiB at " : "refused at ";
  EXPECT_NE(shown.output.find("given back        " + told), std::string::npos) << shown.output;
  if (line.reason != "done") {
    EXPECT_NE(shown.output.find(": " + line.reason), std::string::npos) << shown.output;
  }
  // Whatever became of it, the app answers as ever.
  app.line.command("ping 1");
  EXPECT_EQ(app.line.expect("pong"), "pong 1");
}

}  // namespace
}  // namespace wakeline::host
