// SPDX-License-Identifier: Apache-2.0
#include "host/ledger_log.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <string>
#include <utility>

#include "io/testing.h"

namespace wakeline::host {
namespace {

/// Somebody who writes to the ledger's file and takes his time.
class Holder {
 public:
  explicit Holder(const std::string& folder) {
    sqlite3* handle = nullptr;
    EXPECT_EQ(sqlite3_open(ledger_path(folder).c_str(), &handle), SQLITE_OK);
    database_.reset(handle);
    EXPECT_EQ(sqlite3_exec(handle, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  }

 private:
  Database database_;
};

LedgerLine line(std::string event) {
  LedgerLine line;
  line.app = "bell";
  line.event = std::move(event);
  return line;
}

std::size_t written(const std::string& folder) {
  auto reader = LedgerReader::open(folder);
  const auto lines = reader ? reader->newest(100) : base::Result<std::vector<LedgerLine>>();
  return lines ? lines->size() : 0;
}

TEST(LedgerLog, WritesWhatWaitedOnceTheFileIsFreeAgain) {
  const io::TestFolder folder;
  io::Loop loop;
  const auto log = LedgerLog::create(loop, folder.path());
  ASSERT_TRUE(log);
  int tried = 0;
  (*log)->set_on_flush([&tried] { ++tried; });
  {
    const Holder holder(folder.path());
    (*log)->append(line("wake"));
    ASSERT_TRUE(io::run_until(loop, [&] { return tried == 1; }));
    EXPECT_EQ(written(folder.path()), 0U);
  }
  // With nothing to say nothing is tried; a line that is no decision is enough.
  (*log)->append(line("suspend"));
  ASSERT_TRUE(io::run_until(loop, [&] { return tried == 2; }));
  EXPECT_EQ(written(folder.path()), 2U);
  (*log)->append(line("wake"));
  ASSERT_TRUE(io::run_until(loop, [&] { return tried == 3; }));
  EXPECT_EQ(written(folder.path()), 3U);
}

TEST(LedgerLog, IsReadByItsOwnerAlone) {
  const io::TestFolder folder;
  io::Loop loop;
  const auto log = LedgerLog::create(loop, folder.path());
  ASSERT_TRUE(log);
  for (const char* suffix : {"", "-wal", "-shm"}) {
    struct stat status{};
    ASSERT_EQ(::stat((ledger_path(folder.path()) + suffix).c_str(), &status), 0) << suffix;
    EXPECT_EQ(status.st_mode & 0777, 0600U) << suffix;
  }
}

}  // namespace
}  // namespace wakeline::host
