// SPDX-License-Identifier: Apache-2.0
#include "host/launched_manifests.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "io/testing.h"

namespace wakeline::host {
namespace {

wire::Manifest manifest(const std::string& id) {
  wire::Manifest made;
  made.id = id;
  made.name = "The door";
  made.command = {"/usr/bin/door", "a b", "%"};
  made.voip = true;
  return made;
}

struct LaunchedManifestsTest : testing::Test {
  io::TestFolder files;
  const std::string folder = files.file("launched");
  LaunchedManifests launched{folder};
  const wire::Manifest door = manifest("door");
};

TEST_F(LaunchedManifestsTest, AreFoundByTheNextHostWithTheirFile) {
  ASSERT_TRUE(launched.keep(door, "/old"));
  ASSERT_TRUE(launched.keep(door, "/home/a folder/door.desktop"));
  const auto found = LaunchedManifests(folder).find("door");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->manifest, door);
  EXPECT_EQ(found->file, "/home/a folder/door.desktop");
  EXPECT_FALSE(launched.find("bell"));
}

TEST_F(LaunchedManifestsTest, AreForgottenWhenTheirAppHasEnded) {
  ASSERT_TRUE(launched.keep(door, "/door"));
  ASSERT_TRUE(launched.keep(manifest("bell"), "/bell"));
  ASSERT_TRUE(launched.forget("door"));
  ASSERT_TRUE(launched.forget("door"));
  EXPECT_FALSE(launched.find("door"));
  launched.forget_others({"bell"});
  EXPECT_TRUE(launched.find("bell"));
  launched.forget_others({});
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST_F(LaunchedManifestsTest, WhatWeDidNotWriteIsNone) {
  ASSERT_TRUE(launched.keep(door, "/door"));
  std::filesystem::rename(folder + "/door", folder + "/other");
  EXPECT_FALSE(launched.find("other")) << "an entry with another id";
  for (const char* text :
       {"", "#", "# /door", "# /door\n", "[Desktop Entry]\n", "# /door\n[Desk"}) {
    std::ofstream(folder + "/door") << text;
    EXPECT_FALSE(launched.find("door")) << text;
  }
  std::ofstream(folder + "/door") << "# /door\n" << std::string(1'000'000, '#');
  EXPECT_FALSE(launched.find("door"));
  EXPECT_FALSE(launched.keep(door, "/a\nb"));
}

}  // namespace
}  // namespace wakeline::host
