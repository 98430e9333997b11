// SPDX-License-Identifier: Apache-2.0
#include "host/ended_notes.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "io/testing.h"

namespace wakeline::host {
namespace {

using Notes = std::map<std::string, std::string>;

struct EndedNotesTest : testing::Test {
  io::TestFolder files;
  const std::string folder = files.file("ended");
  EndedNotes notes{folder};
};

TEST_F(EndedNotesTest, AreKnownToTheNextHostUntilTheyAreForgotten) {
  EXPECT_TRUE(notes.load().empty());
  ASSERT_TRUE(notes.keep("door", "budget=1,2,0"));
  ASSERT_TRUE(notes.keep("bell", "allowance=1,2"));
  ASSERT_TRUE(notes.keep("door", "budget=3,4,0"));
  EndedNotes next{folder};
  EXPECT_EQ(next.load(), (Notes{{"door", "budget=3,4,0"}, {"bell", "allowance=1,2"}}));
  // What was found is removed as what was kept.
  ASSERT_TRUE(next.forget("door"));
  ASSERT_TRUE(next.keep("bell", ""));
  ASSERT_TRUE(next.forget("nobody"));
  EXPECT_TRUE(EndedNotes{folder}.load().empty());
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST_F(EndedNotesTest, WhatIsNoNoteOfOursIsNone) {
  ASSERT_TRUE(notes.keep("door", "budget=1,2,0"));
  std::filesystem::create_directory(folder + "/folder");
  std::ofstream(folder + "/large") << std::string(100'000, 'x');
  std::filesystem::create_symlink("/nonexistent", folder + "/link");
  EXPECT_EQ(EndedNotes{folder}.load(), (Notes{{"door", "budget=1,2,0"}}));
}

TEST_F(EndedNotesTest, AFolderThatCannotBeMadeIsAnError) {
  std::ofstream(folder) << "a file";
  EXPECT_FALSE(notes.keep("door", "budget=1,2,0"));
  EXPECT_TRUE(notes.load().empty());
}

}  // namespace
}  // namespace wakeline::host
