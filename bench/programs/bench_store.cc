// SPDX-License-Identifier: Apache-2.0
// What the store takes in a second, beside SQLite with nothing around it, in one folder of one
// disk; SQLite's syncs come here and are counted.
//   bench-store FOLDER COUNT
// Writes a line for each way: "NAME <tab> PUSHES/S <tab> SYNCS/PUSH <tab> P50_US <tab> P99_US",
// the times from asking for a push to its answer.
#include <sqlite3.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/random.h"
#include "io/clock.h"
#include "store/registry.h"
#include "store/store.h"

namespace {

std::atomic<std::uint64_t> syncs = 0;

}  // namespace

// In the place of the C library's, for SQLite.
extern "C" [[gnu::visibility("default")]] int fdatasync(int fd) {
  ++syncs;
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}
extern "C" [[gnu::visibility("default")]] int fsync(int fd) {
  ++syncs;
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace {

using namespace wakeline;  // NOLINT(google-build-using-namespace): a program
using Micros = std::chrono::duration<double, std::micro>;

constexpr std::size_t kDevices = 1'000;
constexpr std::size_t kBody = 128;

std::string name_of(std::size_t device) { return "d" + std::to_string(device); }

class Run {
 public:
  explicit Run(std::string name) : name_(std::move(name)) {}
  void took(base::Duration time) { times_.push_back(Micros(time).count()); }
  void print() {
    const double seconds = std::chrono::duration<double>(io::now() - start_).count();
    const auto count = static_cast<double>(times_.size());
    std::ranges::sort(times_);
    std::printf("%s\t%.0f\t%.4f\t%.1f\t%.1f\n", name_.c_str(), count / seconds,
                static_cast<double>(syncs - syncs_) / count, times_[times_.size() / 2],
                times_[times_.size() * 99 / 100]);
    std::fflush(stdout);
  }

 private:
  std::string name_;
  base::Instant start_ = io::now();
  std::uint64_t syncs_ = syncs;
  std::vector<double> times_;
};

bool sql(sqlite3* handle, const char* text) {
  return sqlite3_exec(handle, text, nullptr, nullptr, nullptr) == SQLITE_OK;
}

/// The least that a durable push can cost with SQLite: one INSERT by number, `group` of them a
/// transaction, in the store's own modes.
bool plain(const std::string& path, std::size_t count, std::size_t group) {
  sqlite3* handle = nullptr;
  if (sqlite3_open(path.c_str(), &handle) != SQLITE_OK) return false;
  const std::unique_ptr<sqlite3, int (*)(sqlite3*)> close(handle, sqlite3_close);
  for (const char* text : {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
                           "CREATE TABLE IF NOT EXISTS plain (device INTEGER NOT NULL, sequence "
                           "INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (device, sequence)) "
                           "STRICT, WITHOUT ROWID",
                           "DELETE FROM plain"}) {
    if (!sql(handle, text)) return false;
  }
  sqlite3_stmt* add = nullptr;
  if (sqlite3_prepare_v2(handle, "INSERT INTO plain VALUES (?1, ?2, ?3)", -1, &add, nullptr) !=
      SQLITE_OK)
    return false;
  const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> finalize(add, sqlite3_finalize);
  const std::vector<std::uint8_t> body(kBody, 7);
  base::Random random(1);
  Run run(group == 1 ? "SQLite alone, an INSERT a transaction"
                     : "SQLite alone, " + std::to_string(group) + " INSERTs a transaction");
  for (std::size_t i = 0; i < count;) {
    const base::Instant start = io::now();
    const std::size_t end = std::min(count, i + group);
    if (group > 1 && !sql(handle, "BEGIN IMMEDIATE")) return false;
    const std::size_t first = i;
    for (; i < end; ++i) {
      sqlite3_bind_int64(add, 1, static_cast<std::int64_t>(random.next() % kDevices));
      sqlite3_bind_int64(add, 2, static_cast<std::int64_t>(i));
      sqlite3_bind_blob(add, 3, body.data(), static_cast<int>(body.size()), SQLITE_STATIC);
      if (sqlite3_step(add) != SQLITE_DONE) return false;
      sqlite3_reset(add);
    }
    if (group > 1 && !sql(handle, "COMMIT")) return false;
    for (std::size_t k = first; k < end; ++k) run.took(io::now() - start);
  }
  run.print();
  return true;
}

/// The thread that asked: runs what the store posts.
class Mailbox {
 public:
  void post(std::function<void()> task) {
    const std::scoped_lock lock(mutex_);
    tasks_.push_back(std::move(task));
    posted_.notify_one();
  }
  void turn() {
    std::unique_lock lock(mutex_);
    posted_.wait(lock, [this] { return !tasks_.empty(); });
    std::deque<std::function<void()>> tasks;
    tasks.swap(tasks_);
    lock.unlock();
    for (const auto& task : tasks) task();
  }

 private:
  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<std::function<void()>> tasks_;
};

/// Pushes as the server stores them, `window` under way at a time; each is deleted when it was
/// answered, as by a device that is there.
bool stored(const std::string& path, std::size_t count, std::size_t window, bool synced) {
  Mailbox mailbox;
  auto store =
      store::Store::open({.path = path, .queue_max = 1'000'000, .synced = synced},
                         [&](std::function<void()> task) { mailbox.post(std::move(task)); });
  if (!store) return false;
  base::Random random(1);
  Run run((synced ? "the store, synced, " : "the store, not synced, ") + std::to_string(window) +
          " under way");
  std::size_t asked = 0;
  std::size_t answered = 0;
  bool failed = false;
  while (answered < count && !failed) {
    for (; asked < count && asked - answered < window; ++asked) {
      const base::WallTime now = io::wall_now();
      const auto queued =
          (*store)->add({.device = name_of(random.next() % kDevices),
                         .body = base::Bytes(kBody, 7),
                         .accepted = now,
                         .expires = now + std::chrono::hours(1)},
                        [&, start = io::now()](const base::Result<store::Accepted>& accepted) {
                          ++answered;
                          run.took(io::now() - start);
                          failed = failed || !accepted;
                          if (accepted) (*store)->remove(accepted->device, accepted->sequence);
                        });
      if (!queued) return false;
    }
    mailbox.turn();
  }
  run.print();
  return !failed;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string folder = argv[1];
  const auto count = static_cast<std::size_t>(std::atol(argv[2]));
  {
    auto registry = store::Registry::open(folder + "/store.db", store::Database::Mode::kWrite);
    if (!registry) return 1;
    for (std::size_t i = 0; i < kDevices; ++i) {
      if (!registry->add_device(name_of(i), store::TokenHash{}, io::wall_now())) return 1;
    }
  }
  bool ok = plain(folder + "/plain.db", count / 10, 1) && plain(folder + "/plain.db", count, 512);
  for (const std::size_t window : {1, 16, 128, 1'024, 8'192})
    ok = ok && stored(folder + "/store.db", window == 1 ? count / 10 : count, window, true);
  ok = ok && stored(folder + "/store.db", count, 1'024, false);
  return ok ? 0 : 1;
}
