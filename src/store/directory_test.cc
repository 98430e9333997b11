// SPDX-License-Identifier: Apache-2.0
#include "store/directory.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "store/push_table.h"
#include "store/registry.h"
#include "store/schema.h"
#include "store/store_testing.h"
#include "store/test_folder.h"

namespace wakeline::store {
namespace {

using base::ErrorCode;

TokenHash hash(std::uint8_t byte) {
  TokenHash made{};
  made.fill(byte);
  return made;
}

class DirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    auto registry = Registry::open(path_, Database::Mode::kWrite);
    ASSERT_TRUE(registry);
    ASSERT_TRUE(registry->add_device("door", hash(1), kNow));
    ASSERT_TRUE(registry->add_device("bell", hash(2), kNow));
    registry_.emplace(std::move(*registry));
    auto opened = Directory::open(path_, Database::Mode::kWrite);
    ASSERT_TRUE(opened) << base::to_string(opened.error());
    directory_ = std::move(*opened);
  }

  TestFolder folder_;
  std::string path_ = folder_.path("store.db");
  std::optional<Registry> registry_;
  std::unique_ptr<Directory> directory_;
};

TEST_F(DirectoryTest, FindsASenderByItsTokensHashUntilItExpires) {
  Senders& senders = directory_->senders();
  const Sender shop{
      .name = "shop", .scopes = "push", .created = kNow, .expires = kNow + std::chrono::hours(1)};
  const Sender bank{.name = "bank", .scopes = "push stats", .created = kNow};
  ASSERT_TRUE(senders.add(shop, hash(7)));
  ASSERT_TRUE(senders.add(bank, hash(8)));
  EXPECT_EQ(senders.add(shop, hash(9)).error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(*senders.find(hash(7), kNow), shop);
  EXPECT_EQ(*senders.find(hash(7), kNow + std::chrono::hours(1)), std::nullopt);
  EXPECT_EQ(*senders.find(hash(8), kNow + std::chrono::hours(1)), bank);
  EXPECT_EQ(*senders.list(), (std::vector{bank, shop}));
  ASSERT_TRUE(senders.remove("bank"));
  EXPECT_EQ(senders.remove("bank").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(*senders.find(hash(8), kNow), std::nullopt);
}

TEST_F(DirectoryTest, KnowsTheDevicesOfAUserAndOfAGroupUntilTheyGo) {
  Members& members = directory_->members();
  const Members::Entry ada{MemberKind::kUser, "ada"};
  const Members::Entry staff{MemberKind::kGroup, "staff"};
  ASSERT_TRUE(members.add(ada, "door"));
  ASSERT_TRUE(members.add(ada, "door"));
  ASSERT_TRUE(members.add(ada, "bell"));
  ASSERT_TRUE(members.add(staff, "door"));
  EXPECT_EQ(members.add(ada, "nobody").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(*members.devices(MemberKind::kUser, "ada"), (std::vector<std::string>{"bell", "door"}));
  EXPECT_TRUE(members.devices(MemberKind::kGroup, "ada")->empty());
  EXPECT_EQ(*members.of("door"), (std::vector{ada, staff}));
  ASSERT_TRUE(members.remove(ada, "bell"));
  EXPECT_EQ(members.remove(ada, "bell").error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(registry_->remove_device("door"));
  EXPECT_TRUE(members.devices(MemberKind::kUser, "ada")->empty());
}

TEST_F(DirectoryTest, TellsARemovedSubscriptionFromOneThatNeverWas) {
  Subscriptions& subscriptions = directory_->subscriptions();
  const base::Bytes key(65, 4);
  const auto open = subscriptions.add(hash(3), "door", {}, kNow);
  const auto restricted = subscriptions.add(hash(4), "door", key, kNow);
  ASSERT_TRUE(open && restricted);
  EXPECT_EQ(subscriptions.add(hash(5), "nobody", {}, kNow).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(**subscriptions.find(hash(4)),
            (Subscription{.id = *restricted, .device = "door", .vapid_key = key, .created = kNow}));
  EXPECT_TRUE((*subscriptions.find(hash(3)))->vapid_key.empty());
  EXPECT_EQ(*subscriptions.find(hash(6)), std::nullopt);
  ASSERT_TRUE(subscriptions.remove(*open, kNow));
  EXPECT_EQ(subscriptions.remove(*open, kNow).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE((*subscriptions.find(hash(3)))->removed);
  EXPECT_EQ(subscriptions.list("door")->size(), 1U);
  ASSERT_TRUE(registry_->remove_device("door"));
  EXPECT_TRUE((*subscriptions.find(hash(4)))->removed);
  ASSERT_TRUE(subscriptions.remove(*restricted, kNow + kRemovedKept));
  EXPECT_EQ(*subscriptions.find(hash(3)), std::nullopt);  // long ago
}

TEST_F(DirectoryTest, RefusesMoreSubscriptionsThanADeviceMayHave) {
  Subscriptions& subscriptions = directory_->subscriptions();
  for (std::uint8_t i = 0; i < kSubscriptionsMax; ++i)
    ASSERT_TRUE(subscriptions.add(hash(i), "door", {}, kNow));
  EXPECT_EQ(subscriptions.add(hash(255), "door", {}, kNow).error().code, ErrorCode::kTooLarge);
  EXPECT_TRUE(subscriptions.add(hash(255), "bell", {}, kNow));
}

TEST_F(DirectoryTest, NamesTheDevicesWhosePushesNeedTheLastResort) {
  Fallbacks& fallbacks = directory_->fallbacks();
  ASSERT_TRUE(fallbacks.set({.device = "door", .address = "ab12", .topic = "org.door"}));
  EXPECT_EQ(fallbacks.set({.device = "nobody", .address = "x"}).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(fallbacks.due(DeviceId{}, 10)->empty());

  auto database = Database::open(path_, Database::Mode::kWrite);
  ASSERT_TRUE(database);
  auto pushes = PushTable::prepare(*database, 10);
  ASSERT_TRUE(pushes);
  const auto push = pushes->add({.device = "door",
                                 .body = {1},
                                 .encoding = 2,
                                 .accepted = kNow,
                                 .expires = kNow + std::chrono::hours(1)});
  ASSERT_TRUE(push);
  EXPECT_EQ((*pushes->find(push->device, push->sequence, kNow))->encoding, 2);
  const auto due = fallbacks.due(DeviceId{}, 10);
  ASSERT_TRUE(due);
  ASSERT_EQ(due->size(), 1U);
  EXPECT_EQ(due->front(), (Fallback{.id = push->device,
                                    .device = "door",
                                    .kind = FallbackKind::kApns,
                                    .address = "ab12",
                                    .topic = "org.door"}));
  ASSERT_TRUE(fallbacks.set_sent(push->device, push->sequence));
  EXPECT_TRUE(fallbacks.due(DeviceId{}, 10)->empty());

  ASSERT_TRUE(fallbacks.remove_address(push->device, "another"));
  EXPECT_NE(*fallbacks.find("door"), std::nullopt);
  ASSERT_TRUE(fallbacks.remove_address(push->device, "ab12"));
  EXPECT_EQ(*fallbacks.find("door"), std::nullopt);
  EXPECT_EQ(fallbacks.remove("door").error().code, ErrorCode::kNotFound);
}

TEST_F(DirectoryTest, HasASecretThatNoOtherStoreHas) {
  const auto mine = directory_->secret("messages");
  ASSERT_TRUE(mine);
  EXPECT_EQ(mine->size(), 32U);
  const auto other = Directory::open(folder_.path("other.db"), Database::Mode::kWrite);
  ASSERT_TRUE(other);
  EXPECT_NE(*(*other)->secret("messages"), *mine);
  EXPECT_EQ(directory_->secret("another").error().code, ErrorCode::kStorage);
}

TEST_F(DirectoryTest, IsReadByItsOwnerAlone) {
  for (const char* suffix : {"", "-wal", "-shm"}) {
    struct stat status{};
    ASSERT_EQ(::stat((path_ + suffix).c_str(), &status), 0) << suffix;
    EXPECT_EQ(status.st_mode & 0777, 0600U) << suffix;
  }
}

TEST(Schema, BringsAFileOfTheFirstVersionUpToDateAndKeepsWhatIsInIt) {
  const TestFolder folder;
  const std::string path = folder.path("store.db");
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &handle), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(handle, kSchema, nullptr, nullptr, nullptr), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(handle,
                         "INSERT INTO senders VALUES (zeroblob(32), 'admin', 5);"
                         "INSERT INTO devices VALUES (1, 'door', zeroblob(32), 5, 1, 0);"
                         "INSERT INTO pushes VALUES (1, 1, 2, 9223372036854775807, NULL, x'41')",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(handle);
  EXPECT_EQ(Directory::open(path, Database::Mode::kRead).error().code, ErrorCode::kUnsupported);
  const auto directory = Directory::open(path, Database::Mode::kWrite);
  ASSERT_TRUE(directory) << base::to_string(directory.error());
  const auto admin = (*directory)->senders().find(TokenHash{}, kNow);
  ASSERT_TRUE(admin && *admin);
  EXPECT_EQ((*admin)->scopes, "push reports stats subscriptions");
  auto database = Database::open(path, Database::Mode::kRead);
  ASSERT_TRUE(database);
  auto pushes = PushTable::prepare(*database, 10);
  ASSERT_TRUE(pushes);
  const auto push = pushes->find(DeviceId{1}, 1, kNow);
  ASSERT_TRUE(push && *push);
  EXPECT_EQ((*push)->body, base::Bytes{'A'});
  EXPECT_GT((*push)->expires, kNow) << "a time beyond what the clock can say";
  EXPECT_EQ((*push)->encoding, 0);

  // The numbers go on, and what waits is counted as before.
  auto writing = Database::open(path, Database::Mode::kWrite);
  ASSERT_TRUE(writing);
  auto table = PushTable::prepare(*writing, 10);
  ASSERT_TRUE(table);
  const auto added = table->add(
      {.device = "door", .body = {'B'}, .accepted = kNow, .expires = kNow + std::chrono::hours(1)});
  ASSERT_TRUE(added) << base::to_string(added.error());
  EXPECT_EQ(added->sequence, 2U);
  auto registry = Registry::open(path, Database::Mode::kWrite);
  ASSERT_TRUE(registry);
  EXPECT_EQ((*registry->find_device("door"))->waiting, 2U);
  ASSERT_TRUE(table->remove(DeviceId{1}, 1));
  EXPECT_EQ((*registry->find_device("door"))->waiting, 1U);
  ASSERT_TRUE(registry->remove_device("door"));
  const auto again = registry->add_device("door", TokenHash{}, kNow);
  ASSERT_TRUE(again);
  const auto anew = table->add(
      {.device = "door", .body = {'C'}, .accepted = kNow, .expires = kNow + std::chrono::hours(1)});
  ASSERT_TRUE(anew);
  EXPECT_EQ(anew->sequence, 3U);
}

}  // namespace
}  // namespace wakeline::store
