// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <set>

#include "base/random.h"
#include "store/store.h"
#include "store/test_folder.h"

/// When the disk is synced: SQLite's calls come here, are counted, and can be held up.
namespace {

namespace base = wakeline::base;

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
  void on_sync(int fd) {
    std::unique_lock lock(mutex_);
    ++syncs_;
    note(fd);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !held_; });
    --waiting_;
  }

  /// From now on the files of a folder are remembered as they are now, and as they are synced.
  void watch(const std::string& folder) {
    const std::scoped_lock lock(mutex_);
    folder_ = folder;
    synced_.clear();
    if (folder.empty()) return;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      synced_[entry.path().filename().string()] = read(entry.path().string());
  }
  /// Makes in `to` what a machine has of the folder after a power cut: of each page either what was
  /// synced or what was written since.
  void cut(const std::string& to, base::Random& random) {
    const std::scoped_lock lock(mutex_);
    for (const auto& [name, synced] : synced_) {
      const base::Bytes written = read(folder_ + "/" + name);
      base::Bytes left(random.below(2) == 0 ? synced.size()
                                            : std::max(synced.size(), written.size()));
      for (std::size_t at = 0; at < left.size(); at += kPage) {
        const base::Bytes& from =
            at >= synced.size() || (at < written.size() && random.below(2) == 0) ? written : synced;
        const auto end = std::min({left.size(), from.size(), at + kPage});
        std::copy(from.begin() + static_cast<std::ptrdiff_t>(at),
                  from.begin() + static_cast<std::ptrdiff_t>(std::max(at, end)),
                  left.begin() + static_cast<std::ptrdiff_t>(at));
      }
      std::ofstream(to + "/" + name, std::ios::binary)
          .write(reinterpret_cast<const char*>(left.data()),
                 static_cast<std::streamsize>(left.size()));
    }
  }

 private:
  static constexpr std::size_t kPage = 4'096;

  static base::Bytes read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    base::Bytes bytes(std::filesystem::file_size(path));
    file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return bytes;
  }
  void note(int fd) {
    if (folder_.empty()) return;
    const std::filesystem::path path =
        std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd));
    if (path.parent_path() == folder_) synced_[path.filename().string()] = read(path.string());
  }

  std::string folder_;
  std::map<std::string, base::Bytes> synced_;
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
  disk().on_sync(fd);
  return reinterpret_cast<Sync>(::dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
extern "C" [[gnu::visibility("default")]] int fsync(int fd) {
  disk().on_sync(fd);
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
  await_answers(1);
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

TEST_F(StoreSync, LeavesEveryAnsweredPushToAMachineThatLostItsPower) {
  disk().watch(std::filesystem::path(path_).parent_path().string());
  base::Random random(4'711);
  open(true);
  std::set<Sequence> there;
  Sequence last = 0;
  for (int step = 0; step < 300; ++step) {
    const auto pushes = static_cast<int>(1 + random.below(5));
    for (int i = 0; i < pushes; ++i) {
      // Some of them are for the tables, so that the journal is poured every now and then.
      const bool keyed = random.below(10) == 0;
      ASSERT_TRUE(store_->add({.device = "door",
                               .body = base::Bytes(random.below(3'000), 7),
                               .accepted = kNow,
                               .expires = kNow + std::chrono::hours(1),
                               .idempotency_key = keyed ? "k" + std::to_string(step) : ""},
                              [&](const base::Result<Accepted>& accepted) {
                                ASSERT_TRUE(accepted);
                                ++answered_;
                                if (accepted->repeated) return;
                                there.insert(accepted->sequence);
                                last = std::max(last, accepted->sequence);
                              }));
    }
    await_answers(answered_ + pushes);
    for (int i = 0; i < 2 && random.below(3) > 0; ++i) {
      const Sequence gone = 1 + random.below(last);
      store_->remove(door_, gone);
      there.erase(gone);
    }
    if (step % 10 != 0) continue;
    const TestFolder machine;
    disk().cut(std::filesystem::path(machine.path("x")).parent_path().string(), random);
    auto after = Store::open({.path = machine.path("store.db")}, [](const auto&) {});
    ASSERT_TRUE(after) << to_string(after.error()) << ", step " << step;
    const auto found = (*after)->pending(door_, 0, 2'000, kNow);
    ASSERT_TRUE(found);
    const std::set<Sequence> left(found->sequences.begin(), found->sequences.end());
    EXPECT_TRUE(std::ranges::includes(left, there)) << "step " << step;
    for (const Sequence sequence : left) EXPECT_LE(sequence, last);
  }
  disk().watch("");
}

}  // namespace
}  // namespace wakeline::store
