// SPDX-License-Identifier: Apache-2.0
#include "store/recent.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <thread>

#include "base/random.h"
#include "store/backup.h"
#include "store/store.h"
#include "store/store_testing.h"
#include "store/test_folder.h"

/// Pushes that the journal has and the tables have not: nobody can tell the difference; nor whether
/// the writer wrote them, or the thread that asked where nothing is synced.
namespace wakeline::store {
namespace {

using std::chrono::hours;

class StoreRecent : public testing::TestWithParam<bool> {
 protected:
  void open(Options options = {}) {
    store_.reset();
    if (options.path.empty()) options.path = path_;
    options.synced = GetParam();
    auto store = Store::open(std::move(options), mailbox_.post());
    ASSERT_TRUE(store) << to_string(store.error());
    store_ = std::move(*store);
  }
  base::Result<Accepted> add(NewPush push = push_to("door")) {
    std::optional<base::Result<Accepted>> result;
    EXPECT_TRUE(store_->put(std::make_shared<const NewPush>(std::move(push)),
                            [&](const base::Result<Accepted>& accepted) { result = accepted; }));
    store_->flush();
    EXPECT_TRUE(mailbox_.run_until([&] { return result.has_value(); }));
    return *result;
  }
  Sequence number_of(NewPush push = push_to("door")) {
    const auto accepted = add(std::move(push));
    EXPECT_TRUE(accepted) << to_string(accepted.error());
    return accepted ? accepted->sequence : 0;
  }
  static NewPush with_topic(std::string topic) {
    NewPush push = push_to("door");
    push.topic = std::move(topic);
    return push;
  }
  /// Until everything that was asked for is in the tables.
  void pour() {
    bool done = false;
    ASSERT_TRUE(store_->run([](Database&) { return base::Result<void>(); },
                            [&](const base::Result<void>& result) { done = result.has_value(); }));
    ASSERT_TRUE(mailbox_.run_until([&] { return done; }));
  }
  std::vector<Sequence> pending(Sequence after = 0) {
    return store_->pending(door_, after, 1'000, kNow)->sequences;
  }
  std::int64_t count(const char* sql) {
    auto database = Database::open(path_, Database::Mode::kRead);
    auto statement = database->prepare(sql);
    EXPECT_TRUE(*statement->step());
    return statement->integer(0);
  }
  std::int64_t in_tables() { return count("SELECT count(*) FROM pushes"); }
  /// The files as they are now, as a process that is killed leaves them.
  std::string image(const std::string& from, const char* name) {
    const std::string to = folder_.path(name);
    for (const char* part : {"", "-wal", "-pushes"})
      std::filesystem::copy_file(from + part, to + part);
    return to;
  }
  bool await_acknowledged(std::uint64_t pushes) {
    return mailbox_.run_until([&] { return store_->acknowledged() == pushes; });
  }

  const TestFolder folder_;
  const std::string path_ = folder_.path("store.db");
  const DeviceId door_ = add_device(path_, "door");
  Mailbox mailbox_;
  std::unique_ptr<Store> store_;
};

TEST_P(StoreRecent, AreNeverInTheTablesWhereTheyAreAcknowledgedAtOnce) {
  open();
  for (Sequence sequence = 1; sequence <= 20; ++sequence) {
    ASSERT_EQ(number_of(), sequence);
    store_->remove(door_, sequence);
  }
  EXPECT_TRUE(await_acknowledged(20));
  EXPECT_EQ(in_tables(), 0);
  EXPECT_EQ(count("SELECT last_sequence FROM queues"), 0);
  open();
  EXPECT_EQ(count("SELECT last_sequence FROM queues"), 20);
  EXPECT_EQ(count("SELECT waiting FROM queues"), 0);
  EXPECT_EQ(number_of(), 21U);
}

TEST_P(StoreRecent, AreInTheTablesSoonWhereTheyAreNot) {
  open();
  number_of();
  EXPECT_EQ(in_tables(), 0);
  for (int i = 0; i < 1'000 && in_tables() == 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(in_tables(), 1);
  EXPECT_EQ(count("SELECT waiting FROM queues"), 1);
  EXPECT_EQ(pending(), std::vector<Sequence>{1});
  store_->remove(door_, 1);
  EXPECT_EQ(pending(), std::vector<Sequence>{});
  EXPECT_TRUE(await_acknowledged(1));
  EXPECT_EQ(in_tables(), 0);
}

TEST_P(StoreRecent, OutliveTheirProcessWithTheirNumbersAndWithoutThoseThatWent) {
  open();
  for (int i = 0; i < 5; ++i) number_of();
  store_->remove(door_, 2);
  store_->remove_through(door_, 1, kNow);
  NewPush of_now = push_to("door");
  of_now.expires = of_now.accepted;
  EXPECT_EQ(number_of(of_now), 6U);  // comes behind the deletions
  EXPECT_EQ(in_tables(), 0);
  const std::string cut = image(path_, "cut.db");
  open({.path = cut});
  EXPECT_EQ(pending(), (std::vector<Sequence>{3, 4, 5}));
  EXPECT_EQ(store_->find(door_, 4, kNow)->value().body, push_to("door").body);
  EXPECT_EQ(number_of(), 7U);
  store_->remove(door_, 4);  // from the tables
  pour();
  EXPECT_EQ(number_of(), 8U);
  // A record of the process before must not bring back what went.
  open({.path = image(cut, "again.db")});
  EXPECT_EQ(pending(), (std::vector<Sequence>{3, 5, 7, 8}));
}

TEST_P(StoreRecent, AreNotTakenFromTheJournalOfAnotherStore) {
  open();
  number_of();
  const std::string cut = image(path_, "cut.db");
  {
    // As it is after it was put back from a backup.
    auto database = Database::open(cut, Database::Mode::kWrite);
    ASSERT_TRUE(database);
    ASSERT_TRUE(database->run("UPDATE store SET epoch = 0"));
  }
  open({.path = cut});
  EXPECT_EQ(pending(), std::vector<Sequence>{});
}

TEST_P(StoreRecent, ShareTheirNumbersAndTheirQueueWithThoseOfTheTables) {
  open({.queue_max = 4});
  EXPECT_EQ(number_of(), 1U);
  EXPECT_EQ(number_of(with_topic("state")), 2U);
  EXPECT_EQ(number_of(), 3U);
  EXPECT_EQ(pending(), (std::vector<Sequence>{1, 2, 3}));
  EXPECT_EQ(pending(2), std::vector<Sequence>{3});
  EXPECT_EQ(store_->pending(door_, 0, 2, kNow), (Pending{{1, 2}, true}));
  EXPECT_EQ(number_of(with_topic("state")), 4U);
  EXPECT_EQ(pending(), (std::vector<Sequence>{1, 3, 4}));
  EXPECT_EQ(number_of(), 5U);
  EXPECT_EQ(add().error().code, base::ErrorCode::kBusy);
  EXPECT_EQ(add(with_topic("other")).error().code, base::ErrorCode::kBusy);
  store_->remove_through(door_, 3, kNow);
  EXPECT_EQ(number_of(), 6U);
  EXPECT_EQ(number_of(), 7U);
  EXPECT_EQ(add().error().code, base::ErrorCode::kBusy);
  store_->remove_through(door_, 6, kNow);  // of both
  EXPECT_EQ(number_of(), 8U);
  EXPECT_EQ(pending(), (std::vector<Sequence>{7, 8}));
  EXPECT_EQ(store_->acknowledged(), 5U);
}

TEST_P(StoreRecent, AreGoneWhenTheyAreWithdrawn) {
  open();
  number_of();
  number_of();
  EXPECT_TRUE(*store_->find_accepted(door_, 1, kNow));
  std::optional<base::Result<bool>> done;
  ASSERT_TRUE(store_->withdraw(door_, 1, [&](const auto& result) { done = result; }));
  ASSERT_TRUE(mailbox_.run_until([&] { return done.has_value(); }));
  EXPECT_TRUE(**done);
  EXPECT_FALSE(*store_->find_accepted(door_, 1, kNow));
  EXPECT_EQ(pending(), std::vector<Sequence>{2});
}

TEST_P(StoreRecent, AreNotWithdrawnWhenTheyWereAcknowledgedJustBefore) {
  open();
  number_of();
  number_of(with_topic("for the tables"));
  number_of();
  for (const Sequence sequence : {Sequence{1}, Sequence{2}, Sequence{3}}) {
    store_->remove(door_, sequence);  // not written yet
    std::optional<base::Result<bool>> done;
    ASSERT_TRUE(store_->withdraw(door_, sequence, [&](const auto& result) { done = result; }));
    ASSERT_TRUE(mailbox_.run_until([&] { return done.has_value(); }));
    EXPECT_FALSE(**done) << sequence;
  }
}

TEST_P(StoreRecent, AreWithheldFromADeviceThatAskedForQuiet) {
  open();
  number_of();
  std::optional<base::Result<LowestSet>> set;
  ASSERT_TRUE(store_->set_lowest(
      door_, 2, Sequence{0}, [&](const auto& result) { set = result; }, mailbox_.post()));
  ASSERT_TRUE(mailbox_.run_until([&] { return set.has_value(); }));
  EXPECT_EQ((*set)->highest, 1U);
  EXPECT_TRUE(add()->held);
  NewPush urgent = push_to("door");
  urgent.urgency = 3;
  EXPECT_EQ(number_of(urgent), 3U);
  EXPECT_EQ(pending(), std::vector<Sequence>{3});
}

TEST_P(StoreRecent, ExpireAndAreSweptAsTheOthers) {
  open();
  NewPush brief = push_to("door");
  brief.expires = brief.accepted + std::chrono::seconds(1);
  number_of(brief);
  number_of();
  EXPECT_EQ(*store_->next_expiry(), brief.expires);
  const base::WallTime later = kNow + std::chrono::seconds(1);
  EXPECT_EQ(store_->pending(door_, 0, 9, later)->sequences, std::vector<Sequence>{2});
  EXPECT_EQ(*store_->find(door_, 1, later), std::nullopt);
  EXPECT_FALSE(*store_->find_accepted(door_, 1, later));
  std::int64_t swept = -1;
  store_->sweep(later, [&](const base::Result<std::int64_t>& count) { swept = *count; });
  ASSERT_TRUE(mailbox_.run_until([&] { return swept >= 0; }));
  EXPECT_EQ(swept, 1);
  EXPECT_EQ(pending(), std::vector<Sequence>{2});
}

TEST_P(StoreRecent, LeaveTheirNumbersToADeviceThatGetsTheName) {
  open();
  for (int i = 0; i < 3; ++i) number_of();
  auto registry = Registry::open(path_, Database::Mode::kWrite);  // of another process
  ASSERT_TRUE(registry);
  ASSERT_TRUE(registry->remove_device("door"));
  EXPECT_EQ(add().error().code, base::ErrorCode::kNotFound);
  const auto door = registry->add_device("door", TokenHash{}, kNow);
  ASSERT_TRUE(door);
  EXPECT_EQ(number_of(), 4U);
  EXPECT_EQ(number_of(), 5U);
  ASSERT_TRUE(registry->remove_device("door"));
  pour();
  const auto third = registry->add_device("door", TokenHash{}, kNow);
  ASSERT_TRUE(third);
  EXPECT_EQ(number_of(), 6U);
  EXPECT_EQ(store_->pending(*third, 0, 9, kNow)->sequences, std::vector<Sequence>{6});
  EXPECT_EQ(store_->pending(*door, 0, 9, kNow)->sequences, std::vector<Sequence>{});
}

TEST_P(StoreRecent, AreFoundWithinAMomentInWhichTheyGoToTheTables) {
  open();
  auto reader = store_->reader();
  ASSERT_TRUE(reader);
  (*reader)->begin_moment();
  EXPECT_TRUE((*reader)->pending(door_, 0, 9, kNow)->sequences.empty());
  number_of();
  pour();
  EXPECT_TRUE((*reader)->find(door_, 1, kNow)->has_value());
  EXPECT_EQ((*reader)->pending(door_, 0, 9, kNow)->sequences, std::vector<Sequence>{1});
  (*reader)->end_moment();
}

TEST_P(StoreRecent, AreMoreThanTheJournalHolds) {
  open({.queue_max = 1'000'000});
  int answered = 0;
  const int all = static_cast<int>(3 * kJournalBytes / 4'000);
  for (int i = 0; i < all; ++i) {
    ASSERT_TRUE(store_->add(push_to("door", 4'000), [&](const base::Result<Accepted>& accepted) {
      EXPECT_TRUE(accepted);
      ++answered;
    }));
    if (i % 100 == 0) mailbox_.run_until([&] { return answered > i - 100; });
  }
  ASSERT_TRUE(mailbox_.run_until([&] { return answered == all; }));
  EXPECT_GT(in_tables(), all / 3);
  NewPush large = push_to("door", 2 * kRecordMax);  // for the tables
  EXPECT_EQ(number_of(large), static_cast<Sequence>(all) + 1);
  store_.reset();
  EXPECT_EQ(in_tables(), all + 1);
}

TEST_P(StoreRecent, GoInTheBatchInWhichTheyCameAlsoWhereTheJournalEnds) {
  open({.queue_max = 1'000'000});
  constexpr int kAll = 100'000;
  int answered = 0;
  for (int i = 0; i < kAll; ++i) {
    ASSERT_TRUE(store_->add(push_to("door", 16), [&](const base::Result<Accepted>& accepted) {
      EXPECT_TRUE(accepted);
      ++answered;
    }));
    if (i % 100 == 99) store_->remove_through(door_, kAll, kNow);
    if (i % 1'000 == 999) mailbox_.run_until([&] { return answered > i - 3'000; });
  }
  ASSERT_TRUE(mailbox_.run_until([&] { return answered == kAll; }));
  store_->remove_through(door_, kAll, kNow);
  EXPECT_TRUE(await_acknowledged(kAll));
  EXPECT_EQ(number_of(), static_cast<Sequence>(kAll) + 1);
}

TEST_P(StoreRecent, StayInTheJournalWhileTheTablesHaveNoRoom) {
  open();
  for (int i = 0; i < 100; ++i) number_of(push_to("door", 4'000));
  const std::string full = image(path_, "full.db");
  open({.path = full, .pages_max = 60});
  EXPECT_EQ(pending().size(), 100U);
  EXPECT_EQ(add().error().code, base::ErrorCode::kStorageFull);
  store_->remove(door_, 100);
  EXPECT_EQ(pending().size(), 99U);
  open({.path = full});
  EXPECT_GE(pending().size(), 99U);
  EXPECT_EQ(number_of(), 101U);
}

TEST_P(StoreRecent, AreSeenByOtherProcessesAndAreInABackup) {
  open();
  number_of(with_topic("state"));
  pour();
  for (int i = 0; i < 3; ++i) number_of();
  store_->remove(door_, 3);
  EXPECT_TRUE(await_acknowledged(1));
  EXPECT_EQ(in_tables(), 1);
  auto registry = Registry::open(path_, Database::Mode::kRead);
  ASSERT_TRUE(registry);
  EXPECT_EQ(registry->devices()->front().waiting, 3U);
  pour();
  EXPECT_EQ(registry->devices()->front().waiting, 3U);
  EXPECT_EQ(number_of(), 5U);
  EXPECT_EQ(registry->devices()->front().waiting, 4U);

  const std::string copy = folder_.path("copy.db");
  ASSERT_TRUE(backup(path_, copy));
  open({.path = copy});
  EXPECT_EQ(pending(), (std::vector<Sequence>{1, 2, 4, 5}));
  EXPECT_EQ(number_of(), 6U);
}

/// One device's queue as it has to be, whatever is in the journal.
TEST_P(StoreRecent, AreTheSameAsAnyOtherPushToWhoeverAsks) {
  base::Random random(20'261'128);
  open();
  std::map<Sequence, std::string> model;  // topic by number
  Sequence last = 0;
  for (int step = 0; step < 1'500; ++step) {
    const auto choice = random.below(20);
    const Sequence some = 1 + random.below(std::max<Sequence>(last, 1));
    if (choice < 10) {
      ASSERT_EQ(number_of(), ++last);
      model[last] = "";
    } else if (choice < 12) {
      const std::string topic = "t" + std::to_string(random.below(3));
      ASSERT_EQ(number_of(with_topic(topic)), ++last);
      std::erase_if(model, [&](const auto& each) { return each.second == topic; });
      model[last] = topic;
    } else if (choice < 15) {
      store_->remove(door_, some);
      model.erase(some);
    } else if (choice < 16) {
      const Sequence through = some > 5 ? some - 5 : 0;
      store_->remove_through(door_, through, kNow);
      model.erase(model.begin(), model.upper_bound(through));
      pour();  // a deletion of many is seen when it is written
    } else if (choice < 17) {
      bool done = false;
      ASSERT_TRUE(store_->withdraw(door_, some, [&](const auto&) { done = true; }));
      ASSERT_TRUE(mailbox_.run_until([&] { return done; }));
      model.erase(some);
    } else if (choice < 18) {
      open();
    } else if (choice < 19) {
      pour();
    }
    std::vector<Sequence> expected;
    expected.reserve(model.size());
    for (const auto& [number, topic] : model) expected.push_back(number);
    ASSERT_EQ(pending(), expected) << "step " << step;
    ASSERT_EQ(store_->find(door_, some, kNow)->has_value(), model.contains(some)) << step;
  }
}

INSTANTIATE_TEST_SUITE_P(, StoreRecent, testing::Bool(),
                         [](const auto& test) { return test.param ? "Synced" : "WrittenHere"; });

}  // namespace
}  // namespace wakeline::store
