// SPDX-License-Identifier: Apache-2.0
#include "store/registry.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "store/store_testing.h"
#include "store/test_folder.h"

namespace wakeline::store {
namespace {

using base::ErrorCode;

TEST(Registry, FindsADeviceThatAnotherConnectionAdded) {
  const TestFolder folder;
  auto writer = Registry::open(folder.path("store.db"), Database::Mode::kWrite);
  ASSERT_TRUE(writer);
  auto reader = Registry::open(folder.path("store.db"), Database::Mode::kRead);
  ASSERT_TRUE(reader);
  EXPECT_EQ(*reader->find_device("door"), std::nullopt);
  const auto id = writer->add_device("door", TokenHash{7}, kNow);
  ASSERT_TRUE(id);
  EXPECT_EQ(*reader->find_device("door"), (Device{*id, "door", TokenHash{7}, kNow, 0}));
  EXPECT_EQ(writer->add_device("door", TokenHash{8}, kNow).error().code, ErrorCode::kAlreadyExists);
  EXPECT_TRUE(writer->add_device("bell", TokenHash{9}, kNow));
  const auto devices = reader->devices();
  ASSERT_EQ(devices->size(), 2U);
  EXPECT_EQ(devices->front().name, "bell");
  EXPECT_TRUE(writer->remove_device("door"));
  EXPECT_EQ(writer->remove_device("door").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(*reader->find_device("door"), std::nullopt);
}

TEST(Registry, KnowsASenderByTheHashOfItsTokenAlone) {
  const TestFolder folder;
  auto registry = Registry::open(folder.path("store.db"), Database::Mode::kWrite);
  ASSERT_TRUE(registry);
  EXPECT_EQ(registry->has_senders(), false);
  EXPECT_TRUE(registry->add_sender("admin", TokenHash{1}, kNow));
  EXPECT_EQ(registry->has_senders(), true);
  EXPECT_EQ(*registry->find_sender(TokenHash{1}), "admin");
  EXPECT_EQ(*registry->find_sender(TokenHash{2}), std::nullopt);
}

TEST(Registry, KeepsItsEpochAndMakesAnotherForAnotherFile) {
  const TestFolder folder;
  const auto epoch = [&](const char* name) {
    return Registry::open(folder.path(name), Database::Mode::kWrite)->epoch();
  };
  const std::uint64_t first = epoch("a.db");
  EXPECT_NE(first, 0U);
  EXPECT_EQ(epoch("a.db"), first);
  EXPECT_NE(epoch("b.db"), first);
}

TEST(Registry, WritesNothingOnAReadingConnection) {
  const TestFolder folder;
  ASSERT_TRUE(Registry::open(folder.path("store.db"), Database::Mode::kWrite));
  auto reader = Registry::open(folder.path("store.db"), Database::Mode::kRead);
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->add_device("door", TokenHash{}, kNow).error().code, ErrorCode::kPermission);
}

/// Rows of so many bytes each.
bool fill(Database& database, int rows, int bytes) {
  auto done = database.run("CREATE TABLE IF NOT EXISTS filler (body BLOB)");
  auto statement = database.prepare("INSERT INTO filler VALUES (zeroblob(?1))");
  for (int i = 0; done && i < rows; ++i) done = statement->with(bytes).run();
  return done.has_value();
}

TEST(Database, BesideTheServerCopiesNothingFromItsLog) {
  const TestFolder folder;
  const std::string path = folder.path("store.db");
  auto server = Database::open(path, Database::Mode::kWrite);
  ASSERT_TRUE(server && server->checkpoint());
  const auto before = std::filesystem::file_size(path);
  {
    auto command = Database::open(path, Database::Mode::kBeside);
    ASSERT_TRUE(command);
    ASSERT_TRUE(fill(*command, 20, 1'000'000));  // five times what SQLite lets a log grow to
  }
  EXPECT_EQ(std::filesystem::file_size(path), before);  // nor with its end
  ASSERT_TRUE(server->checkpoint());
  EXPECT_GT(std::filesystem::file_size(path), 20'000'000U);
}

TEST(Database, OfACommandWithoutAServerLeavesNoLogBehind) {
  const TestFolder folder;
  const std::string path = folder.path("store.db");
  ASSERT_TRUE(Database::open(path, Database::Mode::kWrite));
  {
    auto command = Database::open(path, Database::Mode::kBeside);
    ASSERT_TRUE(command && fill(*command, 5, 1'000'000));
  }
  EXPECT_GT(std::filesystem::file_size(path), 5'000'000U);
  EXPECT_FALSE(std::filesystem::exists(path + "-wal"));
}

TEST(Database, RefusesAFileOfAnotherProgramVersionOrKind) {
  const TestFolder folder;
  {
    auto database = Database::open(folder.path("newer.db"), Database::Mode::kWrite);
    ASSERT_TRUE(database);
    ASSERT_TRUE(database->run("PRAGMA user_version = 1000"));
  }
  {
    auto database = Database::open(folder.path("other.db"), Database::Mode::kWrite);
    ASSERT_TRUE(database);
    ASSERT_TRUE(database->run("PRAGMA application_id = 1"));
  }
  std::ofstream(folder.path("text.db")) << std::string(4'096, 'x');
  const auto error = [&](const char* name) {
    return Registry::open(folder.path(name), Database::Mode::kWrite).error();
  };
  EXPECT_EQ(error("newer.db"), (base::Error{ErrorCode::kUnsupported, "store.schema"}));
  EXPECT_EQ(error("other.db"), (base::Error{ErrorCode::kUnsupported, "store.application_id"}));
  EXPECT_EQ(error("text.db").code, ErrorCode::kUnsupported);
  EXPECT_EQ(error("no/such/folder.db").code, ErrorCode::kNotFound);
  EXPECT_FALSE(Registry::open(folder.path("absent.db"), Database::Mode::kRead));
}

}  // namespace
}  // namespace wakeline::store
