// SPDX-License-Identifier: Apache-2.0
#include "store/push_journal.h"

#include <gtest/gtest.h>

#include "store/test_folder.h"

namespace wakeline::store {
namespace {

constexpr JournalKey kFirstKey{.epoch = 7, .generation = 3};
constexpr DeviceId kDoor{5};

RecentPush push(Sequence sequence, std::size_t size = 100) {
  const base::WallTime expires(std::chrono::hours(24));
  return {.device = kDoor,
          .sequence = sequence,
          .waits = true,
          .push = std::make_shared<const NewPush>(
              NewPush{.device = "door", .body = base::Bytes(size, 0xa5), .expires = expires})};
}
bool add(PushJournal& journal, const RecentPush& one) { return journal.add(std::span(&one, 1)); }

/// A journal in a folder, opened anew as often as wanted.
struct PushJournalTest : testing::Test {
  PushJournal& open(const JournalKey& key) {
    opened.reset();  // one at a time has the file
    opened.emplace();
    const auto records = opened->open(folder.path("store.db"), true, key);
    EXPECT_TRUE(records.has_value());
    found = records.value_or(0);
    return *opened;
  }
  TestFolder folder;
  std::optional<PushJournal> opened;
  std::size_t found = 0;
};

TEST_F(PushJournalTest, TakesNothingBeforeItWasPoured) {
  PushJournal& journal = open(kFirstKey);
  EXPECT_FALSE(journal.ready());
  EXPECT_FALSE(add(journal, push(1)));
  EXPECT_TRUE(journal.empty());
  EXPECT_EQ(journal.recent().count(), 0U);
  journal.poured();
  EXPECT_TRUE(journal.ready());
  EXPECT_TRUE(add(journal, push(1)));
  EXPECT_EQ(journal.recent().count(kDoor), 1U);
}

TEST_F(PushJournalTest, HasWhatAnEarlierProcessTook) {
  PushJournal* journal = &open(kFirstKey);
  journal->poured();
  ASSERT_TRUE(add(*journal, push(1)));
  ASSERT_TRUE(add(*journal, push(2)));
  EXPECT_EQ(journal->remove(kDoor, 1, false), 1U);
  EXPECT_EQ(journal->remove(kDoor, 1, false), 0U);
  journal->write();

  journal = &open({kFirstKey.epoch, kFirstKey.generation + 1});
  EXPECT_EQ(found, 3U);
  EXPECT_FALSE(journal->ready());
  EXPECT_EQ(journal->recent().find(kDoor, 1), nullptr);
  EXPECT_NE(journal->recent().find(kDoor, 2), nullptr);
  ASSERT_NE(journal->numbers("door"), nullptr);
  EXPECT_EQ(journal->numbers("door")->last, 2U);
  EXPECT_EQ(journal->numbers("gate"), nullptr);

  // Those records are over when it is poured, also for whoever opens it next.
  journal->poured();
  EXPECT_TRUE(journal->empty());
  open({kFirstKey.epoch, kFirstKey.generation + 2});
  EXPECT_EQ(found, 0U);
}

TEST_F(PushJournalTest, KeepsANumberOfWhichThePushIsGone) {
  PushJournal& journal = open(kFirstKey);
  journal.poured();
  ASSERT_TRUE(add(journal, push(4)));
  EXPECT_EQ(journal.remove(kDoor, 9, true), 1U);
  EXPECT_EQ(journal.recent().count(), 0U);
  EXPECT_FALSE(journal.empty());
  EXPECT_EQ(journal.numbers("door")->last, 4U);
}

// What a deletion that found no room took away is not in the file: nothing may follow it there.
TEST_F(PushJournalTest, StopsWhereADeletionHasNoRoom) {
  PushJournal& journal = open(kFirstKey);
  journal.poured();
  Sequence last = 0;
  while (journal.room() > kRecordMax) ASSERT_TRUE(add(journal, push(++last, kRecordMax / 2)));
  const std::size_t rest = journal.room() - record_size(*push(1, 0).push);
  ASSERT_TRUE(add(journal, push(++last, rest)));
  ASSERT_LT(journal.room(), kRemovedBytes);
  EXPECT_TRUE(journal.ready());
  EXPECT_EQ(journal.remove(kDoor, last, false), 1U);
  EXPECT_EQ(journal.recent().find(kDoor, last), nullptr);
  EXPECT_FALSE(journal.ready());
  EXPECT_FALSE(add(journal, push(++last)));
  journal.poured();
  EXPECT_TRUE(add(journal, push(++last)));
}

}  // namespace
}  // namespace wakeline::store
