// SPDX-License-Identifier: Apache-2.0
#include "server/audit_log.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/bytes.h"
#include "io/file.h"
#include "io/testing.h"

namespace wakeline::server {
namespace {

constexpr base::WallTime kWrittenAt{std::chrono::milliseconds(1'700'000'000'123)};

TEST(AuditLog, AppendsALineOfJsonForEachEvent) {
  const io::TestFolder folder;
  AuditLog log(folder.file("audit.log"));
  ASSERT_TRUE(log.write(kWrittenAt, "device_added", {{"device", "door"}, {"by", "uid 0"}}));
  ASSERT_TRUE(log.write(kWrittenAt, "denied", {{"address", "a\"\n\xFF"}}, false));
  EXPECT_EQ(*io::read_file(folder.file("audit.log"), 1'000),
            "{\"at\":\"2023-11-14T22:13:20.123Z\",\"event\":\"device_added\",\"device\":\"door\","
            "\"by\":\"uid 0\"}\n"
            "{\"at\":\"2023-11-14T22:13:20.123Z\",\"event\":\"denied\","
            "\"address\":\"(no text)\"}\n");
  struct stat status{};
  ASSERT_EQ(::stat(folder.file("audit.log").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST(AuditLog, KeepsTwoFilesOfBoundedSize) {
  const io::TestFolder folder;
  AuditLog log(folder.file("audit.log"), 1'000);
  for (int i = 0; i < 100; ++i)
    ASSERT_TRUE(log.write(kWrittenAt, "denied", {{"n", std::to_string(i)}}, false));
  const auto now = io::read_file(folder.file("audit.log"), 10'000);
  const auto before = io::read_file(folder.file("audit.log.1"), 10'000);
  ASSERT_TRUE(now && before);
  EXPECT_LE(now->size(), 1'000U);
  EXPECT_LE(before->size(), 1'000U);
  EXPECT_NE(now->find("\"n\":\"99\""), std::string::npos);
  EXPECT_GT(before->size(), 900U);
  EXPECT_FALSE(io::read_file(folder.file("audit.log.2"), 10));
}

TEST(AuditLog, BelongsToTheOwnerOfItsFolderWhoeverMakesIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root makes files for others";
  constexpr uid_t kServer = 12'345;
  const io::TestFolder folder;
  const std::string path = folder.file("data/audit.log");
  ASSERT_TRUE(io::make_folder(folder.file("data")));
  ASSERT_EQ(::chown(folder.file("data").c_str(), kServer, kServer), 0);
  AuditLog log(path, 200);
  for (int i = 0; i < 4; ++i) {  // the first makes it, a later one turns it over
    ASSERT_TRUE(log.write(kWrittenAt, "device_added", {{"device", std::string(100, 'd')}}));
    struct stat status{};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, kServer);
    EXPECT_EQ(status.st_gid, kServer);
    EXPECT_EQ(status.st_mode & 0777, 0600U);
  }
  EXPECT_EQ(::access((path + ".1").c_str(), F_OK), 0);
}

TEST(AuditLog, CutsALongTextBetweenCharacters) {
  const io::TestFolder folder;
  AuditLog log(folder.file("audit.log"));
  ASSERT_TRUE(log.write(kWrittenAt, "denied", {{"a", std::string(199, 'x') + "\xC3\xA9"}}));
  ASSERT_TRUE(log.write(kWrittenAt, "denied", {{"a", std::string(198, 'x') + "\xC3\xA9y"}}));
  const auto text = io::read_file(folder.file("audit.log"), 1'000);
  ASSERT_TRUE(text);
  EXPECT_TRUE(base::is_utf8(*text));
  EXPECT_NE(text->find(std::string(199, 'x') + "\"}\n"), std::string::npos);
  EXPECT_NE(text->find(std::string(198, 'x') + "\xC3\xA9\"}\n"), std::string::npos);
}

TEST(AuditLog, WritesThroughNoLink) {
  const io::TestFolder folder;
  const std::string other = folder.file("other");
  ASSERT_TRUE(io::write_file(other, "as it was"));
  ASSERT_EQ(::symlink(other.c_str(), folder.file("audit.log").c_str()), 0);
  const auto written = AuditLog(folder.file("audit.log")).write(kWrittenAt, "denied", {});
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().os_error, ELOOP);
  EXPECT_EQ(*io::read_file(other, 100), "as it was");
}

TEST(AuditLog, SaysWhatIsInTheWay) {
  EXPECT_EQ(AuditLog("/nowhere/audit.log").write(kWrittenAt, "x", {}).error().code,
            base::ErrorCode::kNotFound);
}

}  // namespace
}  // namespace wakeline::server
