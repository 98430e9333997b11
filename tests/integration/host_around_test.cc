// SPDX-License-Identifier: Apache-2.0
// What apps of the library ask of a real host beside tags and tasks: audio sessions and wakes.
#include "host_fixture.h"

namespace wakeline::host {
namespace {

using wire::host::AppState;

class HostAround : public HostTest {
 protected:
  void write_library_app(const std::string& id, const std::string& modes) {
    write_file(id + ".desktop",
               "[Desktop Entry]\nType=Application\nName=Test " + id +
                   "\nExec=" WAKELINE_LIBRARY_APP "\nX-Wakeline-BackgroundModes=" + modes +
                   "\nX-Wakeline-Environment=WAKELINE_TEST_PORT=" + std::to_string(port()) + ";\n");
  }
};
INSTANTIATE_TEST_SUITE_P(Freezer, HostAround, testing::Values("cgroup", "sigstop"), parameter_name);

TEST_P(HostAround, C29KeepsAnAppAwakeWhileItsAudioSessionLives) {
  write_library_app("phone", "voip;audio;");
  start_host();
  TestApp app = accept_app();
  EXPECT_EQ(app.report.expect("tagged"), "tagged ok");
  wait_ledger("phone", "suspend");
  app.line.command("audio");
  EXPECT_EQ(app.report.expect("audio"), "audio ok");
  wait_ledger("phone", "audio", "begun");
  EXPECT_EQ(next_line("phone", 2s), std::nullopt);  // twice its window
  EXPECT_EQ(info("phone").state, AppState::kBackground);
  app.report.command("silence");
  wait_ledger("phone", "audio", "ended");
  wait_ledger("phone", "suspend", "quiet");
}

TEST_P(HostAround, C29RefusesASessionWithoutTheMode) {
  write_library_app("mute", "voip;");
  start_host();
  TestApp app = accept_app();
  app.report.command("audio");
  EXPECT_EQ(app.report.expect("audio"), "audio not_declared");
  wait_ledger("mute", "refuse", "not_declared");
}

TEST_P(HostAround, C29TheSessionEndsWithTheAppThatHadIt) {
  write_library_app("phone", "voip;audio;");
  start_host();
  TestApp app = accept_app();
  app.report.command("audio");
  EXPECT_EQ(app.report.expect("audio"), "audio ok");
  ::kill(app.pid, SIGKILL);
  TestApp again = accept_app();
  again.report.expect("tagged");
  wait_ledger("phone", "suspend");
}

TEST_P(HostAround, C40WakesASleepingAppAsItHasAsked) {
  write_library_app("timer", "voip;");
  start_host();
  TestApp app = accept_app();
  app.report.command("wake 1500 2500");
  EXPECT_EQ(app.report.expect("wake"), "wake ok");
  wait_ledger("timer", "wake_request", "asked");
  wait_ledger("timer", "suspend");
  EXPECT_TRUE(is_frozen(app.pid) || info("timer").wakes > 0);
  wait_ledger("timer", "wake", "wake_request");
  EXPECT_EQ(app.report.expect("due"), "due");
  wait_ledger("timer", "wake_request", "due");
  wait_ledger("timer", "suspend");
}

TEST_P(HostAround, C40TellsARequestThatSharesAnotherWake) {
  write_library_app("share", "voip;");
  start_host();
  TestApp app = accept_app();
  app.report.command("wake 0 3600000");
  EXPECT_EQ(app.report.expect("wake"), "wake ok");
  wait_ledger("share", "suspend");
  app.line.command("ping 1");
  EXPECT_EQ(app.report.expect("due"), "due");
  wait_ledger("share", "wake_request", "shared");
}

TEST_P(HostAround, C40IsAskedForAgainUnderTheNextHostWhichCountsItOnce) {
  write_library_app("timer", "voip;");
  const std::vector<std::string> options = {"set:wakes_per_day=1"};
  start_host(options);
  TestApp app = accept_app();
  app.report.command("wake 6000 8000");
  EXPECT_EQ(app.report.expect("wake"), "wake ok");
  wait_ledger("timer", "suspend");
  for (const Change how : {Change::kUpgrade, Change::kDeath}) {
    change_host(how, options);
    wait_ledger("timer", "wake_request", "asked_again");
    wait_ledger("timer", "suspend");
  }
  wait_ledger("timer", "wake", "wake_request");
  EXPECT_EQ(app.report.expect("due"), "due");
  // It was the one of the day.
  app.line.command("wake 400 500");
  EXPECT_EQ(app.report.expect("wake"), "wake over_budget");
}

TEST_P(HostAround, C40RefusesEachRequestByItsOwnError) {
  write_library_app("many", "voip;");
  start_host({"set:wakes_per_day=5"});
  TestApp app = accept_app();
  for (const char* answer : {"ok", "ok", "ok", "ok", "too_large"}) {
    app.report.command("wake 3000000 3600000");
    EXPECT_EQ(app.report.expect("wake"), std::string("wake ") + answer);
  }
  // What is cancelled costs nothing; what was due does.
  app.report.command("cancel");
  app.report.expect("cancelled");
  for (int i = 0; i < 5; ++i) {
    wait_ledger("many", "suspend");
    app.report.command("wake 400 500");
    app.line.command("ping 1");
    EXPECT_EQ(app.report.expect("wake"), "wake ok");
    EXPECT_EQ(app.report.expect("due"), "due");
  }
  app.report.command("wake 400 500");
  app.line.command("ping 2");
  EXPECT_EQ(app.report.expect("wake").substr(0, 5), "wake ");
}

TEST_P(HostAround, C5AnAppOfTheLibraryIsWakeCapableAgainUnderARestartedHost) {
  write_library_app("again", "voip;");
  start_host();
  TestApp app = accept_app();
  wait_ledger("again", "suspend");
  kill_host();
  EXPECT_TRUE(wait_frozen(app.pid, false));
  start_host();
  wait_ledger("again", "tag");
  wait_ledger("again", "suspend");
  app.line.command("capable");
  EXPECT_EQ(app.report.expect("capable"), "capable yes");
}

}  // namespace
}  // namespace wakeline::host
