// SPDX-License-Identifier: Apache-2.0
#include "host/settings.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace wakeline::host {
namespace {

using wire::NotificationStyle;

class SettingsFile : public testing::Test {
 protected:
  SettingsFile() {
    std::string pattern = testing::TempDir() + "wakeline-settings-XXXXXX";
    folder = ::mkdtemp(pattern.data());
  }
  ~SettingsFile() override { std::filesystem::remove_all(folder); }
  std::string folder;
};

TEST(Settings, ReadsWhatItWrites) {
  Settings settings;
  settings["doorbell"] = {NotificationStyle::kAlert, false, std::nullopt};
  settings["org.example.phone"] = {std::nullopt, std::nullopt, true};
  const auto read = parse_settings(to_text(settings));
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(*read, settings);
  const auto none = parse_settings(to_text({}));
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->empty());
}

TEST(Settings, TakesNothingOfAFileWithAFault) {
  const struct {
    const char* text;
    const char* told;
  } cases[] = {
      {"[doorbell]\nstyle = \"loud\"\n",
       "line 2: style: must be \"banner\", \"alert\" or \"none\""},
      {"[doorbell]\nvoip = \"no\"\n", "line 2: voip: must be true or false"},
      {"[doorbell]\nvoip = 0\n", "line 2: voip: must be true or false"},
      {"[doorbell]\ncolour = true\n", "line 2: unknown key; known: style, voip, audio"},
      {"doorbell = 1\n", "line 1: 'doorbell' is no table of an app's settings"},
      {"[\"No Id\"]\n", "line 1: 'No Id' is no table of an app's settings"},
  };
  for (const auto& one : cases) {
    const auto settings = parse_settings(one.text);
    ASSERT_FALSE(settings) << one.text;
    EXPECT_EQ(settings.error(), one.told);
  }
  for (const char* text : {"[doorbell\n", "[a]\nvoip = true\nvoip = true\n", "\xff", "= 1\n"}) {
    const auto settings = parse_settings(text);
    ASSERT_FALSE(settings) << text;
    EXPECT_TRUE(settings.error().starts_with("line ")) << settings.error();
  }
}

TEST(Settings, GoBeforeTheManifest) {
  wire::Manifest manifest;
  manifest.id = "phone";
  manifest.voip = manifest.audio = true;
  manifest.sockets.all = true;
  manifest.keep_alive = std::chrono::seconds(600);
  EXPECT_EQ(as_granted(manifest, {}), manifest);
  Settings settings;
  settings["phone"] = {NotificationStyle::kNone, false, std::nullopt};
  const wire::Manifest granted = as_granted(manifest, settings);
  EXPECT_FALSE(granted.voip);
  EXPECT_TRUE(granted.audio);
  EXPECT_TRUE(granted.sockets.empty());
  EXPECT_EQ(granted.keep_alive, base::Duration::zero());
  EXPECT_EQ(granted.style, NotificationStyle::kNone);
  // What the app does not declare is not granted by the user either.
  manifest.voip = false;
  settings["phone"].voip = true;
  EXPECT_FALSE(as_granted(manifest, settings).voip);
}

TEST_F(SettingsFile, AreChangedInOneFileForEveryApp) {
  ASSERT_TRUE(change_settings(folder, "a", {"style=alert", "voip=no"}));
  ASSERT_TRUE(change_settings(folder, "b", {"audio=yes"}));
  const auto settings = load_settings(folder);
  ASSERT_TRUE(settings) << settings.error();
  EXPECT_EQ(settings->size(), 2U);
  EXPECT_EQ(settings->at("a"), (AppSettings{NotificationStyle::kAlert, false, std::nullopt}));
  ASSERT_TRUE(change_settings(folder, "a", {"style=default", "voip=default"}));
  EXPECT_EQ(load_settings(folder)->size(), 1U);
}

TEST_F(SettingsFile, StayAsTheyAreWhenAChangeIsWrong) {
  ASSERT_TRUE(change_settings(folder, "a", {"voip=no"}));
  for (const char* wrong : {"voip=maybe", "style=loud", "colour=red", "voip", ""}) {
    EXPECT_FALSE(change_settings(folder, "a", {"style=alert", wrong})) << wrong;
  }
  EXPECT_EQ(load_settings(folder)->at("a"), (AppSettings{std::nullopt, false, std::nullopt}));
  // A file that somebody spoilt is not written over.
  std::ofstream(settings_path(folder)) << "[a\n";
  const auto changed = change_settings(folder, "a", {"style=alert"});
  ASSERT_FALSE(changed);
  EXPECT_TRUE(changed.error().starts_with(settings_path(folder) + ": line 1")) << changed.error();
}

}  // namespace
}  // namespace wakeline::host
