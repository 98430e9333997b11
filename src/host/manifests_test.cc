// SPDX-License-Identifier: Apache-2.0
#include "host/manifests.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace wakeline::host {
namespace {

class ManifestFolder : public testing::Test {
 public:
  ManifestFolder() {
    std::string pattern = testing::TempDir() + "wakeline-manifests-XXXXXX";
    folder = mkdtemp(pattern.data());
    first = folder + "/first";
    second = folder + "/second";
    std::filesystem::create_directory(first);
    std::filesystem::create_directory(second);
  }
  ~ManifestFolder() override { std::filesystem::remove_all(folder); }

 protected:
  static void write(const std::string& path, const std::string& name) {
    std::ofstream(path) << "[Desktop Entry]\nType=Application\nName=" << name
                        << "\nExec=/bin/true\n";
  }
  static std::vector<std::string> names(const ManifestScan& scan) {
    std::vector<std::string> names;
    names.reserve(scan.manifests.size());
    for (const auto& manifest : scan.manifests) names.push_back(manifest.name);
    return names;
  }

  std::string folder, first, second;
};

TEST_F(ManifestFolder, GivesManifestsByIdAndSkipsOtherFiles) {
  write(first + "/b.desktop", "B");
  write(first + "/a.desktop", "A");
  write(first + "/.hidden.desktop", "Hidden");
  write(first + "/notes.txt", "Notes");
  const ManifestScan scan = scan_manifests({first, folder + "/absent"});
  EXPECT_EQ(names(scan), (std::vector<std::string>{"A", "B"}));
  EXPECT_EQ(scan.faults, std::vector<std::string>{});
}

TEST_F(ManifestFolder, TellsAFaultyManifestFromOneThatIsGone) {
  write(first + "/a.desktop", "A");
  std::ofstream(first + "/b.desktop") << "[Desktop Entry\n";
  ASSERT_EQ(::mkfifo((first + "/c.desktop").c_str(), 0600), 0);  // waits for no writer
  const ManifestScan scan = scan_manifests({first, folder + "/absent"});
  EXPECT_EQ(names(scan), std::vector<std::string>{"A"});
  EXPECT_EQ(scan.files.at("a"), first + "/a.desktop");
  EXPECT_EQ(scan.faults.size(), 2U);
  EXPECT_TRUE(scan.may_hold(first + "/b.desktop"));
  EXPECT_TRUE(scan.may_hold(first + "/c.desktop"));
  EXPECT_FALSE(scan.may_hold(first + "/d.desktop"));
  EXPECT_FALSE(scan.may_hold(folder + "/absent/a.desktop"));
  // Of a folder that cannot be listed nothing is known.
  std::ofstream(second + "/file") << "x";
  EXPECT_TRUE(scan_manifests({second + "/file"}).may_hold(second + "/file/a.desktop"));
}

TEST_F(ManifestFolder, WarnsOfAKeyThatNobodyKnowsAndTakesTheApp) {
  std::ofstream(first + "/a.desktop")
      << "[Desktop Entry]\nType=Application\nName=A\nExec=/bin/true\nX-Wakeline-Color=red\n";
  const ManifestScan scan = scan_manifests({first});
  EXPECT_EQ(names(scan), std::vector<std::string>{"A"});
  EXPECT_EQ(scan.faults, std::vector<std::string>{});
  ASSERT_EQ(scan.warnings.size(), 1U);
  EXPECT_TRUE(scan.warnings[0].starts_with(first + "/a.desktop:5: X-Wakeline-Color: unknown key"))
      << scan.warnings[0];
}

TEST_F(ManifestFolder, NamesFileLineAndKeyOfAFaultAndGoesOn) {
  std::ofstream(first + "/a.desktop")
      << "[Desktop Entry]\nType=Application\nName=A\nExec=/bin/true\nX-Wakeline-Ipc=red\n";
  write(first + "/b.desktop", "B");
  const ManifestScan scan = scan_manifests({first});
  EXPECT_EQ(names(scan), std::vector<std::string>{"B"});
  ASSERT_EQ(scan.faults.size(), 1U);
  EXPECT_TRUE(scan.faults[0].starts_with(first + "/a.desktop:5: X-Wakeline-Ipc: "))
      << scan.faults[0];
}

TEST_F(ManifestFolder, C2TakesAPhoneAppAsItIs) {
  const std::string app = first + "/Phone.app";
  std::filesystem::create_directory(app);
  std::ofstream(app + "/Info.plist")
      << "<plist version=\"1.0\"><dict><key>CFBundleIdentifier</key><string>org.example.Phone"
         "</string><key>CFBundleExecutable</key><string>Phone</string><key>UIBackgroundModes</key>"
         "<array><string>voip</string></array></dict></plist>";
  std::filesystem::create_directory(first + "/empty.app");
  const ManifestScan scan = scan_manifests({first});
  ASSERT_EQ(scan.manifests.size(), 1U);
  EXPECT_EQ(scan.manifests[0].id, "org.example.phone");
  EXPECT_EQ(scan.manifests[0].command, std::vector<std::string>{app + "/Phone"});
  EXPECT_TRUE(scan.manifests[0].voip);
  ASSERT_EQ(scan.faults.size(), 1U);
  EXPECT_TRUE(scan.faults[0].starts_with(first + "/empty.app/Info.plist: ")) << scan.faults[0];
}

TEST_F(ManifestFolder, LetsTheFirstFolderWin) {
  write(first + "/a.desktop", "Mine");
  write(second + "/a.desktop", "Theirs");
  const ManifestScan scan = scan_manifests({first, second});
  EXPECT_EQ(names(scan), std::vector<std::string>{"Mine"});
  ASSERT_EQ(scan.faults.size(), 1U);
  EXPECT_NE(scan.faults[0].find(first + "/a.desktop"), std::string::npos);
}

TEST_F(ManifestFolder, SkipsAFileOverTheLimit) {
  std::ofstream(first + "/big.desktop") << std::string(wire::kManifestMax + 1, '#');
  const ManifestScan scan = scan_manifests({first});
  EXPECT_TRUE(scan.manifests.empty());
  ASSERT_EQ(scan.faults.size(), 1U);
  EXPECT_TRUE(scan.faults[0].starts_with(first + "/big.desktop: ")) << scan.faults[0];
}

}  // namespace
}  // namespace wakeline::host
