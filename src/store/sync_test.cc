// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "base/random.h"
#include "store/directory.h"
#include "store/store.h"
#include "store/store_testing.h"
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
  /// From now on one sync of `of` fails, of the files that are watched; 0: none.
  void fail_one_of(std::uint64_t of) {
    const std::scoped_lock lock(mutex_);
    fail_one_of_ = of;
  }
  /// From now on the syncs of this file fail; none, when it is empty.
  void fail_all_of(const std::string& name) {
    const std::scoped_lock lock(mutex_);
    fail_all_of_ = name;
  }
  int failed() {
    const std::scoped_lock lock(mutex_);
    return failed_;
  }
  void on_write(int fd, std::size_t size, off_t at) {
    const std::scoped_lock lock(mutex_);
    const std::string name = name_of(fd);
    if (name.empty()) return;
    for (auto page = static_cast<std::size_t>(at) / kPage;
         page * kPage < static_cast<std::size_t>(at) + size; ++page)
      unsynced_[name].insert(page);
  }
  /// Returns: whether it succeeds.
  bool on_sync(int fd) {
    std::unique_lock lock(mutex_);
    ++syncs_;
    if (!note_sync(fd)) return false;
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !held_; });
    --waiting_;
    return true;
  }

  /// From now on the files of a folder are remembered as they are now, and as they are synced.
  void watch(const std::string& folder) {
    const std::scoped_lock lock(mutex_);
    folder_ = folder;
    synced_.clear();
    unsynced_.clear();
    if (folder.empty()) return;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      synced_[entry.path().filename().string()] = read(entry.path().string());
  }
  /// Makes in `to` what a machine has of the folder after a power cut: of each page either what was
  /// synced or what was written since; of some files all of either.
  void cut(const std::string& to, base::Random& random) {
    const std::scoped_lock lock(mutex_);
    for (const auto& [name, synced] : synced_) {
      const base::Bytes written = read(folder_ + "/" + name);
      const auto choice = random.below(3);
      const auto has_written = [&] { return choice == 0 || (choice == 1 && random.below(2) == 0); };
      base::Bytes left(has_written() ? std::max(synced.size(), written.size()) : synced.size());
      for (std::size_t at = 0; at < left.size(); at += kPage) {
        const base::Bytes& from =
            at >= synced.size() || (at < written.size() && has_written()) ? written : synced;
        const auto end = std::min({left.size(), from.size(), at + kPage});
        std::copy(from.begin() + static_cast<std::ptrdiff_t>(at),
                  from.begin() + static_cast<std::ptrdiff_t>(std::max(at, end)),
                  left.begin() + static_cast<std::ptrdiff_t>(at));
      }
      std::ofstream(std::filesystem::path(to) / name, std::ios::binary)
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
  /// The name of a file that is watched, or nothing.
  std::string name_of(int fd) const {
    if (folder_.empty()) return {};
    const std::filesystem::path path =
        std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd));
    return path.parent_path() == folder_ ? path.filename().string() : std::string();
  }
  bool note_sync(int fd) {
    const std::string name = name_of(fd);
    if (name.empty()) return true;
    // The kernel takes pages whose writing failed for written: a later sync has only those that
    // were written again.
    const std::set<std::size_t> pages = std::exchange(unsynced_[name], {});
    if (name == fail_all_of_ || (fail_one_of_ != 0 && random_.below(fail_one_of_) == 0)) {
      ++failed_;
      return false;
    }
    const base::Bytes written = read(folder_ + "/" + name);
    base::Bytes& synced = synced_[name];
    synced.resize(written.size());
    for (const std::size_t page : pages) {
      const std::size_t end = std::min(written.size(), (page + 1) * kPage);
      for (std::size_t at = page * kPage; at < end; ++at) synced[at] = written[at];
    }
    return true;
  }

  std::string folder_;
  std::map<std::string, base::Bytes> synced_;
  std::map<std::string, std::set<std::size_t>> unsynced_;  ///< pages, since the last sync
  std::uint64_t fail_one_of_ = 0;
  std::string fail_all_of_;
  int failed_ = 0;
  base::Random random_{815};
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

int sync(int fd, const char* name) {
  if (!disk().on_sync(fd)) {
    errno = EIO;
    return -1;
  }
  using Sync = int (*)(int);
  return reinterpret_cast<Sync>(::dlsym(RTLD_NEXT, name))(fd);
}

ssize_t write_at(int fd, const void* bytes, std::size_t size, off_t at, const char* name) {
  disk().on_write(fd, size, at);
  using Write = ssize_t (*)(int, const void*, std::size_t, off_t);
  return reinterpret_cast<Write>(::dlsym(RTLD_NEXT, name))(fd, bytes, size, at);
}

}  // namespace

// In the place of the C library's, for SQLite as well.
extern "C" [[gnu::visibility("default")]] ssize_t pwrite(int fd, const void* bytes,
                                                         std::size_t size, off_t at) {
  return write_at(fd, bytes, size, at, "pwrite");
}
extern "C" [[gnu::visibility("default")]] ssize_t pwrite64(int fd, const void* bytes,
                                                           std::size_t size, off_t at) {
  return write_at(fd, bytes, size, at, "pwrite64");
}
extern "C" [[gnu::visibility("default")]] int fdatasync(int fd) { return sync(fd, "fdatasync"); }
extern "C" [[gnu::visibility("default")]] int fsync(int fd) { return sync(fd, "fsync"); }

namespace wakeline::store {
namespace {

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
  void add(std::size_t size = 100) {
    ASSERT_TRUE(store_->add({.device = "door",
                             .body = base::Bytes(size, 7),
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

TEST_F(StoreSync, IsSharedWithWorkThatIsRefused) {
  open(true);
  const auto refuse = [&](base::ErrorCode code) {
    ASSERT_TRUE(store_->run(
        [code](Database& database) -> base::Result<void> {
          auto members = Members::prepare(database);
          if (!members) return base::fail(members.error());
          const auto added = members->add({MemberKind::kGroup, "cellar"}, "door");
          if (!added) return base::fail(added.error());
          return base::fail(code, "test.work");
        },
        [this, code](const base::Result<void>& done) {
          EXPECT_TRUE(!done && done.error() == (base::Error{code, "test.work"}));
          ++answered_;
        }));
  };
  const auto write = [&] {
    ASSERT_TRUE(store_->run(
        [](Database& database) {
          return database.run("UPDATE store SET sequence_floor = sequence_floor + 1");
        },
        [this](const base::Result<void>& done) {
          EXPECT_TRUE(done);
          ++answered_;
        }));
  };
  write();
  await_answers(1);
  disk().hold();
  write();
  ASSERT_TRUE(disk().await_sync());  // from here on everything queues up
  const int before = disk().syncs();
  for (int i = 0; i < 50; ++i) {
    add();
    refuse(base::ErrorCode::kNotFound);
    refuse(base::ErrorCode::kTooLarge);
    refuse(base::ErrorCode::kAlreadyExists);
    refuse(base::ErrorCode::kBusy);
  }
  disk().release();
  await_answers(252);
  EXPECT_EQ(disk().syncs() - before, 1);
  EXPECT_TRUE(store_->find(door_, 50, kNow)->has_value());
  const auto directory = Directory::open(path_, Database::Mode::kRead);
  ASSERT_TRUE(directory);
  EXPECT_TRUE((*directory)->members().devices(MemberKind::kGroup, "cellar")->empty());
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

/// What such a commit wrote may be there after a crash: numbers that were given again since, and
/// that the journal's records are over.
class StoreFailedCommit : public StoreSync, public testing::WithParamInterface<bool> {};

TEST_P(StoreFailedCommit, IsNotFollowedByARecordOfTheJournal) {
  const bool pours = GetParam();
  const std::filesystem::path folder = std::filesystem::path(path_).parent_path();
  disk().watch(folder.string());
  open(true);
  if (pours) add();
  const int before = pours ? 1 : 0;
  await_answers(before);
  disk().fail_all_of("store.db-wal");
  bool failed = false;
  ASSERT_TRUE(store_->add({.device = "door",
                           .body = base::Bytes(100, 7),
                           .accepted = kNow,
                           .expires = kNow + std::chrono::hours(1),
                           .idempotency_key = "for the tables"},
                          [&](const base::Result<Accepted>& accepted) {
                            failed = !accepted;
                            ++answered_;
                          }));
  await_answers(before + 1);
  EXPECT_TRUE(failed);
  disk().fail_all_of("");
  add(50);
  await_answers(before + 2);
  const TestFolder machine;
  for (const char* name : {"store.db", "store.db-wal", "store.db-pushes"})
    std::filesystem::copy_file(folder / name, machine.path(name));
  disk().watch("");
  auto after = Store::open({.path = machine.path("store.db")}, [](const auto&) {});
  ASSERT_TRUE(after) << to_string(after.error());
  const auto last = (*after)->find(door_, pours ? 2 : 1, kNow);
  ASSERT_TRUE(last && *last);
  EXPECT_EQ((*last)->body.size(), 50U);
}

INSTANTIATE_TEST_SUITE_P(, StoreFailedCommit, testing::Bool(), [](const auto& test) {
  return test.param ? "ThatPours" : "OfTheTablesAlone";
});

/// Whether one sync in ten fails besides.
class StorePowerCut : public StoreSync, public testing::WithParamInterface<bool> {};

TEST_P(StorePowerCut, LeavesEveryAnsweredPush) {
  const int failed_before = disk().failed();
  const bool disk_fails = GetParam();
  disk().watch(std::filesystem::path(path_).parent_path().string());
  base::Random random(4'711);
  open(true);
  std::map<Sequence, std::size_t> there;  // and the size of its body
  Sequence last = 0;
  for (int step = 0; step < 300; ++step) {
    disk().fail_one_of(disk_fails ? 10 : 0);
    const auto pushes = static_cast<int>(1 + random.below(5));
    for (int i = 0; i < pushes; ++i) {
      // Some of them are for the tables, so that the journal is poured every now and then.
      const bool keyed = random.below(10) == 0;
      const std::size_t size = random.below(3'000);
      ASSERT_TRUE(store_->add({.device = "door",
                               .body = base::Bytes(size, 7),
                               .accepted = kNow,
                               .expires = kNow + std::chrono::hours(1),
                               .idempotency_key = keyed ? "k" + std::to_string(step) : ""},
                              [&, size](const base::Result<Accepted>& accepted) {
                                ++answered_;
                                ASSERT_TRUE(accepted || disk_fails);
                                if (!accepted || accepted->repeated) return;
                                there[accepted->sequence] = size;
                                last = std::max(last, accepted->sequence);
                              }));
    }
    await_answers(answered_ + pushes);
    for (int i = 0; i < 2 && random.below(3) > 0; ++i) {
      const Sequence gone = 1 + random.below(std::max<Sequence>(last, 1));
      store_->remove(door_, gone);
      there.erase(gone);
    }
    if (step % (disk_fails ? 3 : 10) != 0) continue;
    disk().fail_one_of(0);
    const TestFolder machine;
    disk().cut(std::filesystem::path(machine.path("x")).parent_path().string(), random);
    auto after = Store::open({.path = machine.path("store.db")}, [](const auto&) {});
    ASSERT_TRUE(after) << to_string(after.error()) << ", step " << step;
    const auto found = (*after)->pending(door_, 0, 2'000, kNow);
    ASSERT_TRUE(found);
    for (const auto& [sequence, size] : there) {
      const auto push = (*after)->find(door_, sequence, kNow);
      EXPECT_TRUE(push && *push && (*push)->body.size() == size) << sequence << ", step " << step;
    }
    // One whose sync failed may be there: it was refused, and nobody was told that it is not.
    for (const Sequence sequence : found->sequences) EXPECT_TRUE(disk_fails || sequence <= last);
  }
  disk().fail_one_of(0);
  disk().watch("");
  // Some 40, by chance.
  EXPECT_EQ(disk().failed() > failed_before + 5, disk_fails);
}

INSTANTIATE_TEST_SUITE_P(, StorePowerCut, testing::Bool(), [](const auto& test) {
  return test.param ? "OfADiskThatFails" : "OfAGoodDisk";
});

}  // namespace
}  // namespace wakeline::store
