// SPDX-License-Identifier: Apache-2.0
#include "server/audit_log.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "io/file.h"
#include "io/testing.h"

namespace wakeline::server {
namespace {

constexpr base::WallTime kNow{std::chrono::milliseconds(1'700'000'000'123)};

TEST(AuditLog, AppendsALineOfJsonForEachEvent) {
  const io::TestFolder folder;
  AuditLog log(folder.file("audit.log"));
  ASSERT_TRUE(log.write(kNow, "device_added", {{"device", "door"}, {"by", "uid 0"}}));
  ASSERT_TRUE(log.write(kNow, "denied", {{"address", "a\"\n\xFF"}}, false));
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
    ASSERT_TRUE(log.write(kNow, "denied", {{"n", std::to_string(i)}}, false));
  const auto now = io::read_file(folder.file("audit.log"), 10'000);
  const auto before = io::read_file(folder.file("audit.log.1"), 10'000);
  ASSERT_TRUE(now && before);
  EXPECT_LE(now->size(), 1'000U);
  EXPECT_LE(before->size(), 1'000U);
  EXPECT_NE(now->find("\"n\":\"99\""), std::string::npos);
  EXPECT_GT(before->size(), 900U);
  EXPECT_FALSE(io::read_file(folder.file("audit.log.2"), 10));
}

TEST(AuditLog, SaysWhatIsInTheWay) {
  EXPECT_EQ(AuditLog("/nowhere/audit.log").write(kNow, "x", {}).error().code,
            base::ErrorCode::kNotFound);
}

}  // namespace
}  // namespace wakeline::server
