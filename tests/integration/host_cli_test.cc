// SPDX-License-Identifier: Apache-2.0
// `wakeline apps` with a running host and without one: manifests and the user's settings.
#include <filesystem>
#include <fstream>

#include <boost/json.hpp>

#include "host_fixture.h"

namespace wakeline::host {
namespace {

using wire::host::AppState;

class AppsCommand : public HostTest {
 protected:
  CliResult apps(std::vector<std::string> arguments) {
    std::vector<std::string> whole = {"apps", "--runtime-folder", folder + "/run", "--state-folder",
                                      folder + "/state"};
    whole.insert(whole.end(), arguments.begin(), arguments.end());
    return wakeline(whole);
  }
  /// A manifest outside of the host's folders.
  std::string source(const std::string& id, const std::string& keys = {}) {
    write_manifest(id);
    std::filesystem::rename(manifests + "/" + id + ".desktop", folder + "/" + id + ".desktop");
    std::ofstream(folder + "/" + id + ".desktop", std::ios::app) << keys;
    return folder + "/" + id + ".desktop";
  }
};
INSTANTIATE_TEST_SUITE_P(Freezer, AppsCommand, testing::Values("cgroup", "sigstop"),
                         parameter_name);

TEST_P(AppsCommand, InstallsLaunchesAndRemovesAnAppOfARunningHost) {
  start_host();
  const auto installed = apps({"install", source("bell")});
  EXPECT_EQ(installed.code, 0) << installed.output;
  EXPECT_NE(installed.output.find("installed bell: " + manifests), std::string::npos)
      << installed.output;
  EXPECT_EQ(info("bell").state, AppState::kStopped);
  EXPECT_EQ(apps({"launch", "bell"}).code, 0);
  TestApp app = accept_app();
  wait_ledger("bell", "suspend");
  const auto listed = wakeline({"apps", "list", "--runtime-folder", folder + "/run"});
  EXPECT_NE(listed.output.find("\nbell "), std::string::npos) << listed.output;
  const auto shown = apps({"info", "bell"});
  EXPECT_EQ(shown.code, 0) << shown.output;
  for (const char* word : {"suspended", "voip", "bell.desktop", WAKELINE_TEST_APP, "banner"}) {
    EXPECT_NE(shown.output.find(word), std::string::npos) << word << " in:\n" << shown.output;
  }
  EXPECT_EQ(apps({"remove", "bell"}).code, 0);
  wait_ledger("bell", "closed", "user");
  EXPECT_TRUE(app.line.ended());
  wait_ledger("bell", "exit");
  const auto gone = apps({"info", "bell"});
  EXPECT_EQ(gone.code, 3) << gone.output;
}

TEST_P(AppsCommand, BringsAnAppToTheForegroundSendsItBackAndClosesIt) {
  write_manifest("bell");
  start_host();
  TestApp app = accept_app();
  wait_ledger("bell", "suspend");
  EXPECT_EQ(apps({"foreground", "bell"}).code, 0);
  wait_ledger("bell", "wake", "foreground");
  EXPECT_EQ(app.report.expect("state"), "state foreground");
  EXPECT_EQ(info("bell").state, AppState::kForeground);
  EXPECT_EQ(apps({"background", "bell"}).code, 0);
  EXPECT_EQ(app.report.expect("state"), "state background");
  wait_ledger("bell", "suspend");
  EXPECT_EQ(apps({"close", "bell"}).code, 0);
  wait_ledger("bell", "closed", "user");
  EXPECT_TRUE(app.line.ended());
  wait_ledger("bell", "exit");
  EXPECT_EQ(info("bell").state, AppState::kStopped);
  for (const char* verb : {"foreground", "background", "close"}) {
    EXPECT_EQ(apps({verb, "none"}).code, 3) << verb;
  }
}

TEST_P(AppsCommand, C2InstallsAPhoneAppFromItsInfoPlist) {
  const std::string app = folder + "/Phone.app";
  std::filesystem::create_directory(app);
  std::filesystem::copy_file(WAKELINE_TEST_APP, app + "/Phone");
  std::ofstream(app + "/Info.plist")
      << "<plist version=\"1.0\"><dict><key>CFBundleIdentifier</key><string>org.example.Phone"
         "</string><key>CFBundleName</key><string>Phone</string><key>CFBundleExecutable</key>"
         "<string>Phone</string><key>UIBackgroundModes</key><array><string>voip</string></array>"
         "</dict></plist>";
  // Without a host: it is found at the next start, and launched as every voip app (C22). Its port
  // comes from the host's environment.
  ::setenv("WAKELINE_TEST_PORT", std::to_string(port()).c_str(), 1);
  const auto installed = apps({"install", app});
  EXPECT_EQ(installed.code, 0) << installed.output;
  std::filesystem::rename(folder + "/state/apps/org.example.phone.desktop",
                          manifests + "/org.example.phone.desktop");
  start_host();
  ::unsetenv("WAKELINE_TEST_PORT");
  TestApp phone = accept_app();
  EXPECT_EQ(phone.report.expect("welcome"), "welcome org.example.phone boot background");
}

TEST_P(AppsCommand, SaysWhatIsWrongWithAManifest) {
  const auto faulty = apps({"install", source("bad", "X-Wakeline-Ipc=never\n")});
  EXPECT_EQ(faulty.code, 3);
  EXPECT_NE(faulty.output.find("X-Wakeline-Ipc: 'never' is none of: drain, wake, ignore"),
            std::string::npos)
      << faulty.output;
  const auto warned = apps({"install", source("odd", "X-Wakeline-Color=red\n")});
  EXPECT_EQ(warned.code, 0);
  EXPECT_NE(warned.output.find("X-Wakeline-Color: unknown key"), std::string::npos)
      << warned.output;
  EXPECT_EQ(apps({"install", folder + "/none.desktop"}).code, 2);
  EXPECT_EQ(apps({"remove", "none"}).code, 3);
}

TEST_P(AppsCommand, FailsWhereTheProgramCannotBeStarted) {
  start_host();
  write_file("absent.desktop", "[Desktop Entry]\nType=Application\nName=A\nExec=/nowhere/app\n");
  write_file("text.desktop", "[Desktop Entry]\nType=Application\nName=T\nExec=/etc/passwd\n");
  for (const char* verb : {"launch", "foreground"}) {
    const auto absent = apps({verb, "absent"});
    EXPECT_EQ(absent.code, 3) << absent.output;
    EXPECT_NE(absent.output.find("absent: /nowhere/app: "), std::string::npos) << absent.output;
    const auto text = apps({verb, "text"});
    EXPECT_EQ(text.code, 5) << text.output;
    EXPECT_NE(text.output.find("text: /etc/passwd: "), std::string::npos) << text.output;
  }
  // What was wrong with it once is no error of a later launch.
  write_manifest("absent");
  EXPECT_EQ(apps({"launch", "absent"}).code, 0);
  accept_app();
  EXPECT_EQ(apps({"launch", "absent"}).code, 0);
}

TEST_P(AppsCommand, InstallsNoSecondManifestOfAnId) {
  start_host();
  write_file("first.plist",
             "<plist version=\"1.0\"><dict><key>CFBundleIdentifier</key><string>bell</string>"
             "<key>CFBundleName</key><string>First</string><key>CFBundleExecutable</key>"
             "<string>first</string></dict></plist>");
  const std::string second = source("bell");
  const auto refused = apps({"install", second});
  EXPECT_EQ(refused.code, 3) << refused.output;
  EXPECT_NE(refused.output.find("the id 'bell' is taken by " + manifests + "/first.plist"),
            std::string::npos)
      << refused.output;
  EXPECT_FALSE(std::filesystem::exists(manifests + "/bell.desktop"));
  std::filesystem::remove(manifests + "/first.plist");
  EXPECT_EQ(apps({"install", second}).code, 0);
  const auto updated = apps({"install", second});
  EXPECT_EQ(updated.code, 0);
  EXPECT_NE(updated.output.find("updated bell: "), std::string::npos) << updated.output;
}

TEST_P(AppsCommand, RemovesTheManifestWithWhatAKilledInstallLeftAndNoFileThatIsNoManifest) {
  const std::string name = source("bell");
  ASSERT_EQ(apps({"install", name}).code, 0);
  const std::string installed = folder + "/state/apps/bell.desktop";
  const std::string others = folder + "/state/apps/bell.bak";
  std::filesystem::copy(installed, installed + ".wakeline-new");
  std::filesystem::copy(installed, others);
  const auto removed = apps({"remove", "bell"});
  EXPECT_EQ(removed.code, 0) << removed.output;
  EXPECT_FALSE(std::filesystem::exists(installed));
  EXPECT_FALSE(std::filesystem::exists(installed + ".wakeline-new"));
  // Its name has the app's id, but no host reads it: it is none of the app's.
  EXPECT_TRUE(std::filesystem::exists(others));
  EXPECT_EQ(apps({"remove", "bell"}).code, 3);
  EXPECT_TRUE(std::filesystem::exists(others));
}

TEST_P(AppsCommand, C1TakesABackgroundModeFromARunningAppAndGivesItBack) {
  write_manifest("bell");
  start_host();
  TestApp app = accept_app();
  wait_ledger("bell", "suspend");
  EXPECT_EQ(info("bell").tags, 1U);
  const auto taken = apps({"set", "bell", "voip=no", "style=alert"});
  EXPECT_EQ(taken.code, 0) << taken.output;
  EXPECT_EQ(taken.output, "bell: style=alert voip=no audio=default\n");
  EXPECT_EQ(info("bell").tags, 0U);
  // It sleeps, and its connection wakes it no more.
  app.line.command("ping 1");
  EXPECT_EQ(next_line("bell", 500ms), std::nullopt);
  EXPECT_TRUE(is_frozen(app.pid));
  const auto shown = apps({"info", "--json", "bell"});
  const auto object = boost::json::parse(shown.output).as_object();
  EXPECT_EQ(object.at("declared"), "voip");
  EXPECT_EQ(object.at("granted"), "none");
  EXPECT_EQ(object.at("style"), "alert");
  command(wire::host::Command::kForeground, "bell");
  EXPECT_EQ(app.line.expect("pong"), "pong 1");
  app.report.command("tag line");
  EXPECT_EQ(apps({"set", "bell", "voip=default"}).code, 0);
  // What the user decided holds for the next host as well.
  EXPECT_EQ(apps({"set", "bell", "voip=no"}).code, 0);
  kill_host();
  app.report.command("exit 0");
  EXPECT_TRUE(app.line.ended());
  start_host();
  EXPECT_EQ(info("bell").state, AppState::kStopped);  // no voip app: not launched at the start
}

TEST_P(AppsCommand, C1AnAppThatSleepsIsGivenItsBackgroundModeBack) {
  write_manifest("bell");
  start_host();
  TestApp app = accept_app();
  wait_ledger("bell", "suspend");
  EXPECT_EQ(apps({"set", "bell", "voip=no"}).code, 0);
  EXPECT_EQ(info("bell").tags, 0U);
  EXPECT_EQ(apps({"set", "bell", "voip=default"}).code, 0);
  wait_ledger("bell", "wake", "control");
  EXPECT_EQ(app.report.expect("host gone"), "host gone");
  wait_ledger("bell", "tag", "tagged");
  wait_ledger("bell", "suspend");
  app.line.command("ping 1");
  EXPECT_EQ(app.line.expect("pong"), "pong 1");
  wait_ledger("bell", "wake", "socket_data");
}

TEST_P(AppsCommand, C1TakesABackgroundModeFromAnAppWhoseManifestHasChanged) {
  write_manifest("bell");
  start_host();
  TestApp app = accept_app();
  wait_ledger("bell", "suspend");
  write_file("bell.desktop",
             "[Desktop Entry]\nType=Application\nName=Bell\n"
             "Exec=/bin/false\nX-Wakeline-BackgroundModes=voip;\n"
             "X-Wakeline-Relaunch=false\n");
  EXPECT_EQ(apps({"set", "bell", "voip=no"}).code, 0);
  EXPECT_EQ(info("bell").tags, 0U);
  EXPECT_EQ(apps({"set", "bell", "voip=default"}).code, 0);
  wait_ledger("bell", "tag", "tagged");
  // The rest of its manifest it has from the next launch on, also where nobody launches it.
  app.line.command("crash");
  wait_ledger("bell", "exit", "signal");
  EXPECT_EQ(next_line("bell", 500ms), std::nullopt);
}

TEST_P(AppsCommand, LeavesAnAppAsItIsWhileItsManifestHasAFault) {
  write_manifest("bell");
  start_host();
  TestApp app = accept_app();
  wait_ledger("bell", "suspend");
  const std::string file = manifests + "/bell.desktop";
  std::filesystem::rename(file, folder + "/kept");
  write_file("bell.desktop", "[Desktop Entry\n");
  ASSERT_TRUE(control->reload());
  EXPECT_NE(host_log().find("bell.desktop"), std::string::npos) << host_log();
  EXPECT_EQ(info("bell").state, AppState::kSuspended);
  // One that is gone ends its app; one that has come back by then leaves it installed.
  std::filesystem::remove(file);
  app.line.command("stubborn");
  EXPECT_EQ(app.report.expect("stubborn"), "stubborn");
  ASSERT_TRUE(control->reload());
  wait_ledger("bell", "closed", "user");
  std::filesystem::rename(folder + "/kept", file);
  ASSERT_TRUE(control->reload());
  wait_ledger("bell", "exit");
  EXPECT_EQ(info("bell").state, AppState::kStopped);
}

TEST_P(AppsCommand, TheNextHostTakesAnAppOverWhoseManifestHasAFault) {
  write_manifest("bell");
  start_host();
  TestApp app = accept_app();
  EXPECT_EQ(app.report.expect("welcome"), "welcome bell boot background");
  const std::string file = manifests + "/bell.desktop";
  std::filesystem::rename(file, folder + "/kept");
  write_file("bell.desktop", "[Desktop Entry\n");
  for (const Change how : {Change::kUpgrade, Change::kDeath}) {
    wait_ledger("bell", "suspend");
    change_host(how);
    wait_ledger("bell", "launch", "adopted");
    EXPECT_EQ(app.report.expect("welcome"), "welcome bell adopted background");
    tag_of(app);
  }
  // Launched again by the same, and by its file when that has no fault any more.
  app.line.command("crash");
  TestApp again = accept_app();
  EXPECT_EQ(again.report.expect("welcome"), "welcome bell crash background");
  std::filesystem::rename(folder + "/kept", file);
  ASSERT_TRUE(control->reload());
  // One that is gone at the host's start ends its app.
  std::filesystem::remove(file);
  change_host(Change::kDeath);
  EXPECT_TRUE(again.line.ended());
  EXPECT_TRUE(std::filesystem::is_empty(folder + "/run/launched"));
}

TEST_P(AppsCommand, RefusesASettingThatThereIsNot) {
  for (const char* wrong : {"voip=maybe", "colour=red", "style"}) {
    const auto refused = apps({"set", "bell", wrong});
    EXPECT_EQ(refused.code, 3) << wrong;
    EXPECT_NE(refused.output.find(wrong), std::string::npos) << refused.output;
  }
  EXPECT_FALSE(std::filesystem::exists(folder + "/state/settings.toml"));
}

TEST_P(AppsCommand, KeepsItsSettingsWhenTheFileIsSpoilt) {
  write_manifest("bell");
  EXPECT_EQ(apps({"set", "bell", "voip=no"}).code, 0);
  start_host();
  EXPECT_EQ(info("bell").state, AppState::kStopped);
  std::ofstream(folder + "/state/settings.toml") << "[bell\n";
  ASSERT_TRUE(control->reload());
  EXPECT_NE(host_log().find("settings.toml: line 1"), std::string::npos) << host_log();
  command(wire::host::Command::kLaunch, "bell");
  TestApp app = accept_app();
  const auto refused = wait_ledger("bell", "refuse");
  EXPECT_EQ(refused.reason, "not_declared");
}

}  // namespace
}  // namespace wakeline::host
