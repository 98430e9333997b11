// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

#include "store/store.h"
#include "store/test_folder.h"

/// When the disk is synced: SQLite's calls come here, are counted, and can be held up.
namespace {

class Disk {
 public:
  /// Returns: how many syncs there were.
  int syncs() {
    const std::scoped_lock lock(mutex_);
    return syncs_;
  }
  void hold() {
    const std::scoped_lock lock(mutex_);
    held_ = true;
  }
  void release() {
    const std::scoped_lock lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }
  /// Returns: whether a sync is held up within ten seconds.
  bool await_sync() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [this] { return waiting_ > 0; });
  }
  void on_sync() {
    std::unique_lock lock(mutex_);
    ++syncs_;
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !held_; });
    --waiting_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int syncs_ = 0;
  int waiting_ = 0;
  bool held_ = false;
};

Disk& disk() {
  static Disk only;
  return only;
}

using Sync = int (*)(int);

}  // namespace

// In the place of the C library's, for SQLite as well.
extern "C" [[gnu::visibility("default")]] int fdatasync(int fd) {
  disk().on_sync();
  return reinterpret_cast<Sync>(::dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
extern "C" [[gnu::visibility("default")]] int fsync(int fd) {
  disk().on_sync();
  return reinterpret_cast<Sync>(::dlsym(RTLD_NEXT, "fsync"))(fd);
}

namespace wakeline::store {
namespace {

const base::WallTime kNow(std::chrono::hours(400'000));

class StoreSync : public testing::Test {
 protected:
  void SetUp() override {
    auto registry = Registry::open(path_, Database::Mode::kWrite);
    ASSERT_TRUE(registry);
    door_ = *registry->add_device("door", TokenHash{}, kNow);
  }
  void TearDown() override {
    disk().release();
    store_.reset();
  }
  void open(bool synced) {
    auto store = Store::open({.path = path_, .synced = synced}, [this](std::function<void()> task) {
      const std::scoped_lock lock(mutex_);
      tasks_.push_back(std::move(task));
      posted_.notify_one();
    });
    ASSERT_TRUE(store) << to_string(store.error());
    store_ = std::move(*store);
  }
  void add() {
    ASSERT_TRUE(store_->add({.device = "door",
                             .body = base::Bytes(100, 7),
                             .accepted = kNow,
                             .expires = kNow + std::chrono::hours(1)},
                            [this](const base::Result<Accepted>& accepted) {
                              ASSERT_TRUE(accepted);
                              ++answered_;
                            }));
  }
  /// Runs what was posted until so many pushes are answered; at most ten seconds.
  void await_answers(int count) {
    std::unique_lock lock(mutex_);
    while (answered_ < count) {
      ASSERT_TRUE(
          posted_.wait_for(lock, std::chrono::seconds(10), [this] { return !tasks_.empty(); }));
      const auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
  }
  bool anything_posted() {
    const std::scoped_lock lock(mutex_);
    return !tasks_.empty();
  }

  const TestFolder folder_;
  const std::string path_ = folder_.path("store.db");
  DeviceId door_{};
  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<std::function<void()>> tasks_;
  int answered_ = 0;
  std::unique_ptr<Store> store_;
};

TEST_F(StoreSync, ComesBeforeTheAnswerAndBeforeThePushCanBeSent) {
  open(true);
  disk().hold();
  add();
  ASSERT_TRUE(disk().await_sync());
  EXPECT_FALSE(anything_posted());
  EXPECT_EQ(*store_->find(door_, 1, kNow), std::nullopt);
  disk().release();
  await_answers(1);
  EXPECT_TRUE(store_->find(door_, 1, kNow)->has_value());
}

TEST_F(StoreSync, IsSharedByAllThatWaitForTheDisk) {
  open(true);
  add();
  await_answers(1);  // the first one also syncs the head of the log
  disk().hold();
  add();
  ASSERT_TRUE(disk().await_sync());
  const int before = disk().syncs();
  for (int i = 0; i < 300; ++i) add();
  disk().release();
  await_answers(302);
  EXPECT_EQ(disk().syncs() - before, 1);
}

TEST_F(StoreSync, IsNotWaitedForWhereThePolicyIsRelaxed) {
  open(false);
  const int before = disk().syncs();
  for (int i = 1; i <= 50; ++i) {
    add();
    await_answers(i);
  }
  EXPECT_LE(disk().syncs() - before, 2) << "the head of a new log, and no push of fifty";
  EXPECT_TRUE(store_->find(door_, 50, kNow)->has_value());
}

}  // namespace
}  // namespace wakeline::store
