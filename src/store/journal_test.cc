// SPDX-License-Identifier: Apache-2.0
#include "store/journal.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "store/test_folder.h"

namespace wakeline::store {
namespace {

constexpr JournalKey kKey{.epoch = 7, .generation = 3};
const base::WallTime kExpires(std::chrono::milliseconds(1'700'000'000'123));

JournalRecord added(Sequence sequence, std::size_t size = 100) {
  return RecentPush{.device = DeviceId{5},
                    .sequence = sequence,
                    .waits = true,
                    .push = std::make_shared<const NewPush>(NewPush{.device = "door",
                                                                    .body = base::Bytes(size, 0xa5),
                                                                    .group = "house",
                                                                    .urgency = 3,
                                                                    .encoding = 1,
                                                                    .expires = kExpires})};
}
JournalRecord removed(Sequence sequence) { return RemovedPush{DeviceId{5}, sequence}; }

base::Bytes encoded(const JournalRecord& record, const JournalKey& key = kKey) {
  base::Bytes out;
  encode_record(record, key, out);
  return out;
}
void append(base::Bytes& to, const base::Bytes& more) {
  to.insert(to.end(), more.begin(), more.end());
}

TEST(JournalRecords, AreReadAsTheyWereWritten) {
  base::Bytes bytes = encoded(added(1));
  append(bytes, encoded(removed(1)));
  append(bytes, encoded(added(2, 0)));
  const auto records = decode_records(bytes, kKey);
  ASSERT_EQ(records.size(), 3U);
  const auto& first = std::get<RecentPush>(records[0]);
  EXPECT_EQ(first.device, DeviceId{5});
  EXPECT_EQ(first.sequence, 1U);
  EXPECT_TRUE(first.waits);
  EXPECT_EQ(*first.push, *std::get<RecentPush>(added(1)).push);
  EXPECT_EQ(std::get<RemovedPush>(records[1]), (RemovedPush{DeviceId{5}, 1}));
  EXPECT_TRUE(std::get<RecentPush>(records[2]).push->body.empty());
}

TEST(JournalRecords, EndWhereOneIsCutShortAtAnyByte) {
  const base::Bytes one = encoded(added(1));
  base::Bytes bytes = one;
  append(bytes, encoded(added(2)));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    // What was there before follows: zeros of a new file.
    base::Bytes torn(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    torn.resize(bytes.size() + 500);
    EXPECT_EQ(decode_records(torn, kKey).size(), size >= one.size() ? 1U : 0U) << size;
  }
}

TEST(JournalRecords, EndWhereAnyBitIsNotAsItWasWritten) {
  const base::Bytes whole = encoded(added(1, 20));
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    base::Bytes bytes = whole;
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    EXPECT_TRUE(decode_records(bytes, kKey).empty()) << bit;
  }
}

TEST(JournalRecords, CountOnlyWithTheEpochAndTheGenerationOfTheStore) {
  base::Bytes bytes = encoded(added(1));
  append(bytes, encoded(added(2), {.epoch = 7, .generation = 2}));
  append(bytes, encoded(added(3)));
  EXPECT_EQ(decode_records(bytes, kKey).size(), 1U);
  EXPECT_TRUE(decode_records(bytes, {.epoch = 7, .generation = 4}).empty());
  EXPECT_TRUE(decode_records(bytes, {.epoch = 8, .generation = 3}).empty());
}

TEST(JournalRecords, TakeNoMoreThanWasPlannedFor) {
  const auto push = std::get<RecentPush>(added(1, 3'000)).push;
  EXPECT_EQ(encoded(added(1, 3'000)).size(), record_size(*push));
  base::Bytes content(kRecordMax + 1, 2);
  base::Bytes bytes;
  base::ByteWriter writer(bytes);
  writer.u32(static_cast<std::uint32_t>(content.size()));
  writer.u32(0);
  writer.u64(kKey.generation);
  writer.put(content);
  EXPECT_TRUE(decode_records(bytes, kKey).empty());
}

TEST(Journal, HoldsWhatWasWrittenSinceItBegan) {
  const TestFolder folder;
  const std::string path = folder.path("store.db");
  {
    auto journal = Journal::open(path, true);
    ASSERT_TRUE(journal) << to_string(journal.error());
    EXPECT_EQ((*journal)->size(), kJournalBytes);
    (*journal)->begin({.epoch = 7, .generation = 2});
    for (Sequence sequence = 1; sequence <= 3; ++sequence) (*journal)->append(added(sequence));
    ASSERT_TRUE((*journal)->write(true));
    (*journal)->begin(kKey);
    (*journal)->append(added(4));
    ASSERT_TRUE((*journal)->write(true));
    (*journal)->append(removed(4));
    ASSERT_TRUE((*journal)->write(false));
    (*journal)->append(added(5));  // and never written
  }
  auto journal = Journal::open(path, true);
  ASSERT_TRUE(journal);
  const auto records = (*journal)->read(kKey);
  ASSERT_TRUE(records);
  ASSERT_EQ(records->size(), 2U);
  EXPECT_EQ(std::get<RecentPush>(records->front()).sequence, 4U);
  struct stat file{};
  ASSERT_EQ(::stat(journal_path(path).c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777U, 0600U);
  EXPECT_EQ(static_cast<std::size_t>(file.st_size), kJournalBytes);
}

TEST(Journal, IsOneProcesssAlone) {
  const TestFolder folder;
  const std::string path = folder.path("store.db");
  auto journal = Journal::open(path, true);
  ASSERT_TRUE(journal);
  auto second = Journal::open(path, true);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, base::ErrorCode::kBusy);
  std::thread last([&] { journal->reset(); });
  EXPECT_TRUE(Journal::open(path, true));  // waits for it
  last.join();
}

TEST(Journal, ReadsAnythingForAnEmptyOne) {
  const TestFolder folder;
  const std::string path = folder.path("store.db");
  std::ofstream(journal_path(path), std::ios::binary) << std::string(100'000, '\xff');
  auto journal = Journal::open(path, true);
  ASSERT_TRUE(journal);
  EXPECT_TRUE((*journal)->read(kKey)->empty());
}

}  // namespace
}  // namespace wakeline::store
