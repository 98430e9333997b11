// SPDX-License-Identifier: Apache-2.0
#include "store/report_table.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "store/backup.h"
#include "store/members.h"
#include "store/push_table.h"
#include "store/registry.h"
#include "store/schema.h"
#include "store/store_testing.h"
#include "store/test_folder.h"

namespace wakeline::store {
namespace {

using base::ErrorCode;
using std::chrono::hours;

class ReportTableTest : public testing::Test {
 protected:
  void SetUp() override {
    auto database = Database::open(path(), Database::Mode::kWrite);
    ASSERT_TRUE(database);
    database_ = std::move(*database);
    auto table = ReportTable::prepare(database_);
    ASSERT_TRUE(table);
    table_.emplace(std::move(*table));
    auto registry = Registry::open(path(), Database::Mode::kWrite);
    ASSERT_TRUE(registry);
    registry_.emplace(std::move(*registry));
    door_ = *registry_->add_device("door", TokenHash{}, kNow);
    window_ = *registry_->add_device("window", TokenHash{}, kNow);
  }
  std::string path() const { return folder_.path("store.db"); }
  std::vector<std::string> members() {
    auto members = Members::prepare(database_);
    EXPECT_TRUE(members);
    return members->devices(MemberKind::kGroup, "family").value_or(std::vector<std::string>{"?"});
  }
  static Report report(DeviceId device, base::WallTime accepted = kNow) {
    return {.device = device,
            .kind = 1,
            .accepted = accepted,
            .content_type = "text/plain",
            .correlation = {1},
            .body = {2, 3}};
  }

  TestFolder folder_;
  Database database_;
  std::optional<ReportTable> table_;
  std::optional<Registry> registry_;
  DeviceId door_, window_;
};

TEST_F(ReportTableTest, KeepsOneReportOfAKeyAlsoWhenThatWasFetchedSince) {
  Report keyed = report(door_);
  keyed.key = "k1";
  EXPECT_EQ(table_->add(keyed), 1U);
  EXPECT_EQ(table_->add(keyed), 1U);
  Report others = report(window_);
  others.key = "k1";
  EXPECT_EQ(table_->add(others), 2U);
  EXPECT_EQ(table_->remove_through(2), 2);
  EXPECT_EQ(table_->add(keyed), 1U);
  EXPECT_EQ(table_->list(0, "", 10), std::vector<Report>{});
}

TEST_F(ReportTableTest, RemembersTheNewestKeysOfADeviceWithinABound) {
  ASSERT_TRUE(database_.run("BEGIN"));
  for (std::int64_t i = 0; i <= kReportKeysMax; ++i) {
    Report keyed = report(door_);
    keyed.key = "k" + std::to_string(i);
    ASSERT_EQ(table_->add(keyed), static_cast<std::uint64_t>(i + 1));
    ASSERT_EQ(table_->remove_through(static_cast<std::uint64_t>(i + 1)), 1);
  }
  ASSERT_TRUE(database_.run("COMMIT"));
  Report oldest = report(door_);
  oldest.key = "k1";
  EXPECT_EQ(table_->add(oldest), 2U);
  oldest.key = "k0";  // one too many
  EXPECT_EQ(table_->add(oldest), static_cast<std::uint64_t>(kReportKeysMax + 2));
}

TEST_F(ReportTableTest, ListsWhatWasSaidInOrderAndForgetsWhatWasFetched) {
  EXPECT_EQ(table_->add(report(door_)), 1U);
  EXPECT_EQ(table_->add(report(window_)), 2U);
  EXPECT_EQ(table_->add(report(door_)), 3U);
  auto expected = report(door_);
  expected.id = 1;
  expected.device_name = "door";
  const auto all = table_->list(0, "", 10);
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 3U);
  EXPECT_EQ(all->front(), expected);
  EXPECT_EQ(table_->list(1, "door", 10)->size(), 1U);
  EXPECT_EQ(table_->list(0, "", 2)->back().id, 2U);
  EXPECT_EQ(table_->remove_through(2), 2);
  EXPECT_EQ(table_->list(0, "", 10)->front().id, 3U);
}

TEST_F(ReportTableTest, RefusesMoreThanOneDeviceMayLeave) {
  ASSERT_TRUE(database_.run("BEGIN"));
  for (std::int64_t i = 0; i < kReportsMax; ++i) ASSERT_TRUE(table_->add(report(door_)));
  ASSERT_TRUE(database_.run("COMMIT"));
  EXPECT_EQ(table_->add(report(door_)).error().code, ErrorCode::kBusy);
  EXPECT_TRUE(table_->add(report(window_)));
  EXPECT_EQ(table_->add(report(DeviceId{99})).error().code, ErrorCode::kNotFound);
}

TEST_F(ReportTableTest, SweepsWhatNobodyFetchedInFourWeeks) {
  ASSERT_TRUE(table_->add(report(door_, kNow - kReportsKept)));
  ASSERT_TRUE(table_->add(report(door_, kNow)));
  EXPECT_EQ(table_->sweep(kNow, 10), 1);
  EXPECT_EQ(table_->list(0, "", 10)->size(), 1U);
}

TEST_F(ReportTableTest, LetsADeviceJoinOnlyWhatItMay) {
  EXPECT_EQ(table_->join(door_, "family"), false);
  ASSERT_TRUE(registry_->permit_group("door", "family", true));
  ASSERT_TRUE(registry_->permit_group("door", "family", true));
  EXPECT_EQ(table_->join(door_, "family"), true);
  EXPECT_EQ(table_->join(door_, "family"), true);
  EXPECT_EQ(members(), std::vector<std::string>{"door"});
  EXPECT_EQ(registry_->permitted_groups(door_), std::vector<std::string>{"family"});
  EXPECT_EQ(table_->in_any_group(door_), true);
  EXPECT_EQ(table_->leave(door_, "family"), true);
  EXPECT_EQ(table_->leave(door_, "family"), false);
  EXPECT_EQ(table_->in_any_group(door_), false);
}

TEST_F(ReportTableTest, LetsNoDeviceJoinAGroupThatIsFull) {
  for (const char* device : {"door", "window"})
    ASSERT_TRUE(registry_->permit_group(device, "family", true));
  fill_group(database_, "family");
  EXPECT_EQ(table_->join(door_, "family").error().code, ErrorCode::kTooLarge);
  auto all = Members::prepare(database_);
  ASSERT_TRUE(all);
  const Members::Entry family{MemberKind::kGroup, "family"};
  ASSERT_TRUE(all->remove(family, "member-1"));
  EXPECT_EQ(table_->join(door_, "family"), true);
  // Again is no error, though it is full now.
  EXPECT_EQ(table_->join(door_, "family"), true);
  EXPECT_TRUE(all->add(family, "door"));
  EXPECT_EQ(table_->join(window_, "family").error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(all->add(family, "window").error().code, ErrorCode::kTooLarge);
}

TEST_F(ReportTableTest, EndsAMembershipWithThePermissionAndWithTheDevice) {
  ASSERT_TRUE(registry_->permit_group("door", "family", true));
  ASSERT_TRUE(registry_->permit_group("window", "family", true));
  ASSERT_TRUE(table_->join(door_, "family"));
  ASSERT_TRUE(table_->join(window_, "family"));
  ASSERT_TRUE(registry_->permit_group("door", "family", false));
  EXPECT_EQ(members(), std::vector<std::string>{"window"});
  ASSERT_TRUE(table_->add(report(window_)));
  ASSERT_TRUE(registry_->remove_device("window"));
  EXPECT_EQ(members(), std::vector<std::string>{});
  EXPECT_TRUE(table_->list(0, "", 10)->empty());
}

TEST_F(ReportTableTest, LeavesWithACleanStartWhatItJoinedAndNotWhatItWasPutInto) {
  ASSERT_TRUE(registry_->permit_group("door", "family", true));
  ASSERT_TRUE(table_->join(door_, "family"));
  auto all = Members::prepare(database_);
  ASSERT_TRUE(all);
  ASSERT_TRUE(all->add({MemberKind::kGroup, "staff"}, "door"));
  EXPECT_EQ(table_->join(door_, "staff"), true);
  ASSERT_TRUE(table_->leave_all(door_));
  EXPECT_EQ(all->of("door"), (std::vector{Members::Entry{MemberKind::kGroup, "staff"}}));
}

TEST_F(ReportTableTest, KeepsTheRightsOfADevice) {
  EXPECT_EQ((*registry_->find_device("door"))->rights, 7);
  ASSERT_TRUE(registry_->set_rights("door", 2));
  EXPECT_EQ((*registry_->find_device("door"))->rights, 2);
  EXPECT_EQ(registry_->set_rights("nobody", 2).error().code, ErrorCode::kNotFound);
}

TEST(Backup, PutBackHasAnotherEpochAndAllItsPushes) {
  const TestFolder folder;
  const std::string path = folder.path("store.db");
  std::uint64_t epoch = 0;
  {
    auto registry = Registry::open(path, Database::Mode::kWrite);
    ASSERT_TRUE(registry);
    epoch = registry->epoch();
    ASSERT_TRUE(registry->add_device("door", TokenHash{}, kNow));
    auto database = Database::open(path, Database::Mode::kWrite);
    ASSERT_TRUE(database);
    auto pushes = PushTable::prepare(*database, 10);
    ASSERT_TRUE(pushes);
    ASSERT_TRUE(pushes->add({.device = "door",
                             .body = {1},
                             .group = "family",
                             .accepted = kNow,
                             .expires = kNow + hours(1)}));
  }
  const mode_t mask = ::umask(0);
  const auto backed_up = backup(path, folder.path("copy.db"));
  ::umask(mask);
  ASSERT_TRUE(backed_up);
  struct stat status{};
  ASSERT_EQ(::stat(folder.path("copy.db").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);  // bodies and secrets are in it
  EXPECT_EQ(backup(path, folder.path("copy.db")).error().code, ErrorCode::kAlreadyExists);
  auto restored = Registry::open(folder.path("copy.db"), Database::Mode::kWrite);
  ASSERT_TRUE(restored);
  EXPECT_NE(restored->epoch(), 0U);
  EXPECT_NE(restored->epoch(), epoch);
  EXPECT_EQ(Registry::open(folder.path("copy.db"), Database::Mode::kWrite)->epoch(),
            restored->epoch());
  auto database = Database::open(folder.path("copy.db"), Database::Mode::kRead);
  ASSERT_TRUE(database);
  auto pushes = PushTable::prepare(*database, 10);
  const auto push = pushes->find((*restored->find_device("door"))->id, 1, kNow);
  ASSERT_TRUE(push && *push);
  EXPECT_EQ((*push)->group, "family");
  EXPECT_EQ(Registry::open(path, Database::Mode::kRead)->epoch(), epoch);
}

TEST(Schema, OfAnOlderVersionIsBroughtUpToDateWithItsDevices) {
  const TestFolder folder;
  const std::string path = folder.path("store.db");
  {
    auto database = Database::open(path, Database::Mode::kWrite);
    ASSERT_TRUE(database);
    // What the first version left: its tables alone.
    ASSERT_TRUE(
        database->run("PRAGMA writable_schema = ON; DELETE FROM sqlite_schema;"
                      "PRAGMA writable_schema = RESET; VACUUM"));
    ASSERT_TRUE(database->run(kSchema));
    ASSERT_TRUE(
        database->run("INSERT INTO devices (name, token_hash, created, last_sequence)"
                      " VALUES ('door', zeroblob(32), 0, 5)"));
  }
  EXPECT_EQ(Registry::open(path, Database::Mode::kRead).error(),
            (base::Error{ErrorCode::kUnsupported, kOlderSchema}));
  // A command beside a server of that version leaves it as that one knows it.
  EXPECT_EQ(Registry::open(path, Database::Mode::kBeside).error(),
            (base::Error{ErrorCode::kUnsupported, kOlderSchema}));
  EXPECT_EQ(backup(path, folder.path("copy.db")).error(),
            (base::Error{ErrorCode::kUnsupported, kOlderSchema}));
  EXPECT_FALSE(std::filesystem::exists(folder.path("copy.db.part")));
  EXPECT_EQ(Registry::open(path, Database::Mode::kRead).error(),
            (base::Error{ErrorCode::kUnsupported, kOlderSchema}));
  auto registry = Registry::open(path, Database::Mode::kWrite);
  ASSERT_TRUE(registry);
  const auto door = registry->find_device("door");
  ASSERT_TRUE(door && *door);
  EXPECT_EQ((*door)->rights, 7);
  EXPECT_TRUE(registry->permit_group("door", "family", true));
}

}  // namespace
}  // namespace wakeline::store
