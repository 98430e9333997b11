// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <thread>
#include <vector>

#include "base/random.h"
#include "store/store.h"
#include "store/store_testing.h"
#include "store/test_folder.h"

/// What the writer does with what queued up, and what becomes of the log beside it.
namespace wakeline::store {
namespace {

class StoreWriter : public testing::Test {
 protected:
  void open(Options options) {
    options.path = path_;
    options.queue_max = 1'000'000;
    auto store = Store::open(std::move(options), mailbox_.post());
    ASSERT_TRUE(store) << to_string(store.error());
    store_ = std::move(*store);
  }
  void add(std::size_t size = 100) {
    ASSERT_TRUE(store_->put(
        std::make_shared<const NewPush>(push_to("door", size)),
        [this](const base::Result<Accepted>& accepted) {
          ASSERT_TRUE(accepted) << to_string(accepted.error());
          EXPECT_TRUE(store_->find(door_, accepted->sequence, kNow)->has_value());
          ++answered_;
        },
        [this](const Accepted&, bool few) {
          if (few) ++few_;
          if (std::this_thread::get_id() == here_) ++written_here_;
        }));
    store_->flush();
  }
  bool await(int answers) {
    return mailbox_.run_until([&] { return answered_ == answers; });
  }
  std::uintmax_t log_bytes() const { return std::filesystem::file_size(path_ + "-wal"); }

  const TestFolder folder_;
  const std::string path_ = folder_.path("store.db");
  const DeviceId door_ = add_device(path_, "door");
  const std::thread::id here_ = std::this_thread::get_id();
  Mailbox mailbox_;
  int answered_ = 0;
  std::atomic<int> written_here_ = 0;
  std::atomic<int> few_ = 0;
  std::unique_ptr<Store> store_;
};

TEST_F(StoreWriter, SaysWhereOneOfAFewPushesBecameDurableAndWhereOneOfMany) {
  open({});
  for (int i = 1; i <= 20; ++i) {
    add();
    ASSERT_TRUE(await(i));
  }
  EXPECT_EQ(few_, 20);
  // The first of many may find the writer idle.
  const int many = 3 * static_cast<int>(kBatchMax);
  for (int i = 0; i < many; ++i) add();
  ASSERT_TRUE(await(20 + many));
  EXPECT_LT(few_, 20 + many / 4);
}

TEST_F(StoreWriter, KeepsHalfOfItsQueueForPushes) {
  open({});
  std::promise<void> go_on, began;
  ASSERT_TRUE(store_->run(
      [&](Database&) -> base::Result<void> {
        began.set_value();
        go_on.get_future().wait();
        return {};
      },
      {}));
  began.get_future().wait();  // from here on everything queues up
  const auto ask = [&] { return store_->run([](Database&) { return base::Result<void>(); }, {}); };
  for (std::size_t i = 0; i < kWritesMax / 2; ++i) ASSERT_TRUE(ask()) << i;
  const auto refused = ask();
  EXPECT_TRUE(!refused && refused.error().code == base::ErrorCode::kBusy);
  const auto added = store_->put(std::make_shared<const NewPush>(push_to("door")),
                                 [&](const base::Result<Accepted>& accepted) {
                                   EXPECT_TRUE(accepted);
                                   ++answered_;
                                 });
  go_on.set_value();
  ASSERT_TRUE(added);
  EXPECT_TRUE(await(1));
}

TEST_F(StoreWriter, WritesADeletionWheneverItComesAfterItsPush) {
  open({});
  for (int i = 1; i <= 30; ++i) {
    add();
    ASSERT_TRUE(await(i));
    // While the writer expects it, and when it does so no longer.
    std::this_thread::sleep_for(std::chrono::milliseconds(i));
    store_->remove(door_, static_cast<Sequence>(i));
    ASSERT_TRUE(
        mailbox_.run_until([&] { return store_->acknowledged() == static_cast<unsigned>(i); }));
  }
  EXPECT_EQ(store_->recent(), 0U);
}

TEST_F(StoreWriter, WritesWhatIsAskedForWhenTheStoreGoes) {
  open({});
  for (int i = 0; i < 3; ++i) add();
  store_.reset();  // before its answers were taken
  open({});
  for (Sequence sequence = 1; sequence <= 3; ++sequence)
    EXPECT_TRUE(store_->find(door_, sequence, kNow)->has_value());
}

TEST_F(StoreWriter, LeavesAFewPushesToWhoAskedWhereNothingIsSynced) {
  open({.synced = true});
  for (int i = 1; i <= 20; ++i) {
    add();
    ASSERT_TRUE(await(i));
  }
  EXPECT_EQ(written_here_, 0);
  store_.reset();
  open({.synced = false});
  // It may be at work for what it did at the start.
  for (int i = 1; i <= 100; ++i) {
    add();
    ASSERT_TRUE(await(20 + i));
  }
  EXPECT_GT(written_here_, 50);
}

TEST_F(StoreWriter, BeginsWithWhatWasPutWhenItIsFlushed) {
  open({.synced = false});
  std::vector<Sequence> order;
  for (std::size_t i = 0; i < kFewMax; ++i) {
    ASSERT_TRUE(store_->put(std::make_shared<const NewPush>(push_to("door")),
                            [&](const base::Result<Accepted>& accepted) {
                              order.push_back(accepted ? accepted->sequence : 0);
                            }));
  }
  EXPECT_EQ(store_->recent(), 0U);
  store_->flush();
  ASSERT_TRUE(mailbox_.run_until([&] { return order.size() == kFewMax; }));
  EXPECT_EQ(order, (std::vector<Sequence>{1, 2, 3, 4}));
  store_->flush();  // with nothing to do
}

TEST_F(StoreWriter, KeepsTheOrderOfEachThreadWhoeverWrites) {
  const DeviceId gate = add_device(path_, "gate");
  open({.synced = false});
  auto reader = store_->reader();
  ASSERT_TRUE(reader);
  constexpr int kEach = 3'000;
  std::vector<Sequence> here;
  std::vector<Sequence> there;
  std::thread other([&] {
    for (int i = 0; i < kEach; ++i) {
      ASSERT_TRUE(store_->add(push_to("gate"), [&](const base::Result<Accepted>& accepted) {
        there.push_back(accepted ? accepted->sequence : 0);
        store_->remove(gate, there.back());
      }));
      if (i % 50 == 0) std::this_thread::yield();
    }
  });
  base::Random random(7);
  for (int i = 0; i < kEach; ++i) {
    NewPush push = push_to("door");
    // One now and then is for the tables.
    if (random.below(100) == 0) push.topic = "t" + std::to_string(i);
    ASSERT_TRUE(store_->put(std::make_shared<const NewPush>(std::move(push)),
                            [&](const base::Result<Accepted>& accepted) {
                              here.push_back(accepted ? accepted->sequence : 0);
                              store_->remove(door_, here.back());
                            }));
    if (random.below(3) == 0) store_->flush();
    if (random.below(10) == 0) mailbox_.run_until([] { return true; });
  }
  store_->flush();
  ASSERT_TRUE(mailbox_.run_until([&] { return here.size() + there.size() == 2 * kEach; }));
  other.join();
  for (Sequence i = 1; i <= kEach; ++i) {
    ASSERT_EQ(here[i - 1], i);
    ASSERT_EQ(there[i - 1], i);
  }
  ASSERT_TRUE(mailbox_.run_until([&] { return store_->acknowledged() == 2 * kEach; }));
  EXPECT_EQ(store_->recent(), 0U);
}

TEST_F(StoreWriter, CopiesTheLogBesideTheCommitsAndBeginsItAnew) {
  open({.synced = false});
  // A reader that stays at its moment holds the log up, and only for so long.
  auto reader = store_->reader();
  ASSERT_TRUE(reader);
  const int rounds = 6;
  int asked = 0;
  std::uintmax_t held_up = 0;
  for (int round = 0; round < rounds; ++round) {
    if (round == 2) {
      (*reader)->begin_moment();
      ASSERT_TRUE((*reader)->find(door_, 1, kNow)->has_value());
    }
    for (int i = 0; i < 1'500; i += 3) {
      for (int k = 0; k < 3; ++k) add(4'000);
      asked += 3;
      ASSERT_TRUE(await(asked));
    }
    if (round == 3) {
      held_up = log_bytes();
      (*reader)->end_moment();
    }
  }
  // 9,000 pushes of three pages and more are above 110 MB of log, had it not been begun anew.
  constexpr std::uintmax_t kPage = 4'096 + 24;
  EXPECT_GT(held_up, 3'000 * kPage);
  EXPECT_LE(log_bytes(), (kLogPagesMax + 4 * kLogPages) * kPage);
  EXPECT_GT(std::filesystem::file_size(path_), 5'000U * 4'096);
  store_->remove_through(door_, 5'000, kNow);
  reader->reset();
  store_.reset();
  auto database = Database::open(path_, Database::Mode::kWrite);
  ASSERT_TRUE(database);
  auto check = database->prepare("PRAGMA integrity_check");
  ASSERT_TRUE(check);
  ASSERT_TRUE(*check->step());
  EXPECT_EQ(check->text(0), "ok");
  auto count = database->prepare("SELECT count(*) FROM pushes");
  ASSERT_TRUE(*count->step());
  EXPECT_EQ(count->integer(0), asked - 5'000);
}

}  // namespace
}  // namespace wakeline::store
