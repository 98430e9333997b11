// SPDX-License-Identifier: Apache-2.0
#include "host/ledger.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

namespace wakeline::host {
namespace {

class LedgerFile : public testing::Test {
 public:
  LedgerFile() {
    std::string pattern = testing::TempDir() + "wakeline-ledger-XXXXXX";
    folder = mkdtemp(pattern.data());
  }
  ~LedgerFile() override { std::filesystem::remove_all(folder); }

 protected:
  static LedgerLine line(std::string app, std::string event) {
    LedgerLine line;
    line.wall_ns = 1'700'000'000'000'000'000;
    line.app = std::move(app);
    line.event = std::move(event);
    line.reason = "socket_data";
    line.detail = "tag 1";
    line.latency_ns = 12'345;
    line.cpu_us = 678;
    line.socket = "192.0.2.1:5060";
    line.awake_us = 910;
    line.used_us = 11;
    return line;
  }
  std::vector<LedgerLine> newest(std::size_t count) {
    auto reader = LedgerReader::open(folder);
    EXPECT_TRUE(reader);
    auto lines = reader->newest(count);
    EXPECT_TRUE(lines);
    return *lines;
  }

  std::string folder;
};

TEST_F(LedgerFile, GivesBackEveryFieldOfAFlushedLine) {
  auto ledger = Ledger::open(folder);
  ASSERT_TRUE(ledger);
  LedgerLine expected = line("doorbell", "wake");
  ledger->add(expected);
  ASSERT_TRUE(ledger->flush());
  EXPECT_FALSE(ledger->has_pending());
  expected.id = 1;
  EXPECT_EQ(newest(10), std::vector{expected});
}

TEST_F(LedgerFile, ReadsTheNewestInOrderAndWhatCameAfterAnId) {
  auto ledger = Ledger::open(folder);
  ASSERT_TRUE(ledger);
  for (int i = 0; i < 5; ++i) ledger->add(line("app" + std::to_string(i), "launch"));
  ASSERT_TRUE(ledger->flush());
  const auto lines = newest(2);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].app, "app3");
  EXPECT_EQ(lines[1].app, "app4");
  auto reader = LedgerReader::open(folder);
  const auto after = reader->after(1, 2);
  ASSERT_TRUE(after);
  ASSERT_EQ(after->size(), 2U);
  EXPECT_EQ((*after)[0].id, 2U);
  EXPECT_EQ((*after)[1].id, 3U);
}

TEST_F(LedgerFile, CountsOnAfterItIsOpenedAgain) {
  {
    auto ledger = Ledger::open(folder);
    ledger->add(line("a", "launch"));
    ASSERT_TRUE(ledger->flush());
  }
  auto ledger = Ledger::open(folder);
  ASSERT_TRUE(ledger);
  EXPECT_EQ(ledger->add(line("a", "exit")).id, 2U);
}

TEST_F(LedgerFile, DropsTheOldestLinesOverItsBound) {
  auto ledger = Ledger::open(folder, 3);
  for (int i = 0; i < 10; ++i) ledger->add(line("a", "wake"));
  ASSERT_TRUE(ledger->flush());
  const auto lines = newest(100);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines.front().id, 8U);
}

TEST_F(LedgerFile, DropsItsOlderHalfOverItsBytes) {
  constexpr std::uint64_t kBytes = 256 * 1'024;
  auto ledger = Ledger::open(folder, 1'000'000, kBytes);
  ASSERT_TRUE(ledger);
  LedgerLine longest = line("a", "wake");
  longest.detail = std::string(512, 'd');
  for (int flush = 0; flush < 200; ++flush) {
    for (int i = 0; i < 10; ++i) ledger->add(longest);
    ASSERT_TRUE(ledger->flush());
  }
  ledger = base::fail(base::ErrorCode::kClosed, "closed");  // its log goes into the file
  const auto size = std::filesystem::file_size(ledger_path(folder));
  EXPECT_LE(size, kBytes + kBytes / 4);
  const auto lines = newest(10'000);
  EXPECT_GE(lines.size(), 100U);
  EXPECT_EQ(lines.back().id, 2'000U);
}

TEST_F(LedgerFile, GoesOnWithAFileOfTheFirstVersion) {
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open(ledger_path(folder).c_str(), &raw), SQLITE_OK);
  ASSERT_EQ(
      sqlite3_exec(raw,
                   "CREATE TABLE line (id INTEGER PRIMARY KEY, wall_ns INTEGER NOT NULL, app "
                   "TEXT NOT NULL, event TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT "
                   "NULL, latency_ns INTEGER NOT NULL, cpu_us INTEGER NOT NULL); INSERT INTO "
                   "line VALUES (7, 1, 'a', 'wake', 'socket_data', '', 5, 6); "
                   "PRAGMA user_version=1",
                   nullptr, nullptr, nullptr),
      SQLITE_OK);
  sqlite3_close(raw);
  EXPECT_EQ(LedgerReader::open(folder).error().code, base::ErrorCode::kUnsupported);
  auto ledger = Ledger::open(folder);
  ASSERT_TRUE(ledger);
  EXPECT_EQ(ledger->add(line("a", "exit")).id, 8U);
  ASSERT_TRUE(ledger->flush());
  const auto lines = newest(10);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].latency_ns, 5);
  EXPECT_EQ(lines[0].socket, "");
  EXPECT_EQ(lines[1].socket, "192.0.2.1:5060");
}

TEST_F(LedgerFile, SelectsByTimeAndApp) {
  auto ledger = Ledger::open(folder);
  for (const char* app : {"a", "b", "a"}) ledger->add(line(app, "wake"));
  LedgerLine later = line("a", "suspend");
  later.wall_ns += 1;
  ledger->add(later);
  ASSERT_TRUE(ledger->flush());
  auto reader = LedgerReader::open(folder);
  ASSERT_TRUE(reader);
  const auto ids = [&](std::int64_t from, const char* app, std::uint64_t after) {
    std::vector<std::uint64_t> list;
    const auto lines = reader->since(from, app, after, 100);
    EXPECT_TRUE(lines);
    for (const LedgerLine& one : *lines) list.push_back(one.id);
    return list;
  };
  EXPECT_EQ(ids(0, "", 0), (std::vector<std::uint64_t>{1, 2, 3, 4}));
  EXPECT_EQ(ids(0, "a", 1), (std::vector<std::uint64_t>{3, 4}));
  EXPECT_EQ(ids(later.wall_ns, "", 0), std::vector<std::uint64_t>{4});
  const auto totals = reader->totals(0);
  ASSERT_TRUE(totals);
  EXPECT_EQ(totals->at("a").wakes, 2U);
  EXPECT_EQ(totals->at("a").awake_us, 3U * 910);
  EXPECT_EQ(totals->at("b").wakes, 1U);
}

TEST_F(LedgerFile, KeepsWhatWasFlushedWhenItsWriterIsKilled) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto ledger = Ledger::open(folder);
    for (int i = 0; i < 50; ++i) {
      ledger->add(line("a", "wake"));
      if (!ledger->flush()) _exit(1);
    }
    if (write(ready[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  close(ready[1]);
  char byte = 0;
  EXPECT_EQ(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(newest(100).size(), 50U);
  auto ledger = Ledger::open(folder);
  ASSERT_TRUE(ledger);
  EXPECT_EQ(ledger->add(line("a", "exit")).id, 51U);
}

TEST_F(LedgerFile, ReadsBesideAWriter) {
  auto ledger = Ledger::open(folder);
  ledger->add(line("a", "launch"));
  ASSERT_TRUE(ledger->flush());
  auto reader = LedgerReader::open(folder);
  ASSERT_TRUE(reader);
  ledger->add(line("a", "wake"));
  ASSERT_TRUE(ledger->flush());
  EXPECT_EQ(reader->newest(10)->size(), 2U);
}

TEST_F(LedgerFile, RefusesAFileOfANewerVersion) {
  {
    ASSERT_TRUE(Ledger::open(folder));
  }
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open(ledger_path(folder).c_str(), &raw), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(raw, "PRAGMA user_version=99", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(raw);
  EXPECT_EQ(Ledger::open(folder).error().code, base::ErrorCode::kUnsupported);
  EXPECT_EQ(LedgerReader::open(folder).error().code, base::ErrorCode::kUnsupported);
}

TEST_F(LedgerFile, RefusesAFileThatIsNoDatabase) {
  std::ofstream(ledger_path(folder)) << std::string(4096, 'x');
  EXPECT_EQ(Ledger::open(folder).error().code, base::ErrorCode::kStorage);
}

TEST_F(LedgerFile, SaysThatThereIsNone) {
  EXPECT_EQ(LedgerReader::open(folder).error().code, base::ErrorCode::kNotFound);
}

TEST_F(LedgerFile, KeepsNoMoreThanItsBoundWhenNothingIsFlushed) {
  auto ledger = Ledger::open(folder);
  for (std::size_t i = 0; i < kLedgerPendingMax + 5; ++i) ledger->add(line("a", "wake"));
  EXPECT_EQ(ledger->dropped(), 5U);
  ASSERT_TRUE(ledger->flush());
  const auto lines = newest(1);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].id, kLedgerPendingMax + 5);
}

}  // namespace
}  // namespace wakeline::host
