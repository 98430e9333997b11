// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "store/store.h"
#include "store/store_testing.h"
#include "store/test_folder.h"

/// Which thread writes, and what becomes of the log beside it.
namespace wakeline::store {
namespace {

class StoreLead : public testing::Test {
 protected:
  void open(Options options) {
    options.path = path_;
    options.queue_max = 1'000'000;
    auto store = Store::open(std::move(options), mailbox_.post());
    ASSERT_TRUE(store) << to_string(store.error());
    store_ = std::move(*store);
  }
  void add(std::size_t size = 100) {
    ASSERT_TRUE(store_->add(
        std::make_shared<const NewPush>(push_to("door", size)),
        [this](const base::Result<Accepted>& accepted) {
          ASSERT_TRUE(accepted) << to_string(accepted.error());
          EXPECT_TRUE(store_->find(door_, accepted->sequence, kNow)->has_value());
          ++answered_;
        },
        [this](const Accepted&, bool few) {
          (std::this_thread::get_id() == self_ ? by_us_ : by_others_)++;
          if (few) ++few_;
        }));
  }
  bool await(int answers) {
    return mailbox_.run_until([&] { return answered_ == answers; });
  }
  std::uintmax_t log_bytes() const { return std::filesystem::file_size(path_ + "-wal"); }

  const TestFolder folder_;
  const std::string path_ = folder_.path("store.db");
  const DeviceId door_ = add_device(path_, "door");
  const std::thread::id self_ = std::this_thread::get_id();
  Mailbox mailbox_;
  int answered_ = 0;
  std::atomic<int> by_us_ = 0, by_others_ = 0, few_ = 0;
  std::unique_ptr<Store> store_;
};

TEST_F(StoreLead, WritesAFewPushesOnTheThreadThatAskedForThem) {
  open({.leads_by = quick_disk});
  for (int i = 1; i <= 20; ++i) {
    add();
    ASSERT_TRUE(await(i));
  }
  EXPECT_EQ(by_us_, 20);
  EXPECT_EQ(few_, 20);
}

TEST_F(StoreLead, LeavesTheNextPushToTheWriterWhenACommitTookLong) {
  open({.leads_by = slow_disk});
  for (int i = 1; i <= 5; ++i) {
    add();
    ASSERT_TRUE(await(i));
  }
  EXPECT_EQ(by_us_, 1);
  EXPECT_EQ(by_others_, 4);
}

TEST_F(StoreLead, LeavesManyAtATimeToTheWriter) {
  open({.leads_by = quick_disk});
  for (int i = 0; i < 200; ++i) add();
  ASSERT_TRUE(await(200));
  EXPECT_EQ(by_others_, 200);
  EXPECT_EQ(few_, 0);
}

TEST_F(StoreLead, DoesNotKeepOtherThreadsWaiting) {
  open({.leads_by = quick_disk});
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  // Nobody runs what is posted to the thread that opened the store.
  std::thread([&] {
    ASSERT_TRUE(store_->run([](Database&) { return base::Result<void>(); },
                            [&](const base::Result<void>& result) {
                              EXPECT_TRUE(result);
                              const std::scoped_lock lock(mutex);
                              done = true;
                              changed.notify_one();
                            },
                            [](const std::function<void()>& task) { task(); }));
  }).join();
  std::unique_lock lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(10), [&] { return done; }));
}

TEST_F(StoreLead, WritesWhatIsAskedForWhenTheStoreGoes) {
  open({.leads_by = quick_disk});
  add();
  store_.reset();  // before its thread came to the end of its turn
  EXPECT_EQ(by_others_, 1);
  open({});
  EXPECT_TRUE(store_->find(door_, 1, kNow)->has_value());
}

TEST_F(StoreLead, CopiesTheLogBesideTheCommitsAndBeginsItAnew) {
  open({.synced = false, .leads_by = quick_disk});
  // A reader that stays at its moment holds the log up, and only for so long.
  auto reader = store_->reader(mailbox_.post());
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
  store_->remove_through(door_, 5'000);
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
