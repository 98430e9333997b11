// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "store/push_table.h"
#include "store/registry.h"
#include "store/types.h"

namespace wakeline::store {

/// Writes that wait for the disk; further pushes are refused with kBusy.
inline constexpr std::size_t kWritesMax = 16'384;
/// Writes in one transaction, which is one sync of the disk.
inline constexpr std::size_t kBatchMax = 512;

struct Options {
  std::string path{};
  std::uint32_t queue_max = kQueueMax;
  std::uint32_t pages_max = 0;  ///< size of the file in pages of 4 KiB; 0: what the disk gives
};

/// The durable queue of one server. One thread of its own writes: what has queued up meanwhile is
/// one transaction, and the answers go out when it is synced, never before. Reads are the caller's,
/// on a second connection that no write blocks; they and all other calls belong to one thread.
class Store {
 public:
  /// Runs a task on the caller's thread, later, and not after the store is gone. Must stay callable
  /// until then.
  using Post = std::function<void(std::function<void()>)>;
  using OnAdded = std::function<void(base::Result<Accepted>)>;
  using OnSwept = std::function<void(base::Result<std::int64_t>)>;

  /// Errors: those of Database::open.
  static base::Result<std::unique_ptr<Store>> open(Options options, Post post);
  /// Writes what is queued, then closes.
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// `done` is posted when the push is durable, in the order of the calls.
  /// Errors (to `done`): kNotFound, kBusy (the device's queue), kStorageFull, kStorage.
  /// Errors (at once):   kBusy (kWritesMax).
  base::Result<void> add(NewPush push, OnAdded done);
  /// Reads do not see the push any more. Deletions are not answered; one that fails for want of
  /// space is tried again until it is done.
  void remove(DeviceId device, Sequence sequence);
  void remove_through(DeviceId device, Sequence sequence);
  /// Deletes what expired, in steps of `kBatchMax`. `done` gets the number of the step.
  void sweep(base::WallTime now, OnSwept done);

  /// Nothing when it is gone or expired.
  base::Result<std::optional<Push>> find(DeviceId device, Sequence sequence, base::WallTime now);
  base::Result<Pending> pending(DeviceId device, Sequence after, std::uint16_t limit,
                                base::WallTime now);
  base::Result<std::optional<base::WallTime>> next_expiry() { return read_->next_expiry(); }
  /// For look-ups alone: its connection does not write.
  Registry& registry() { return registry_; }
  std::uint64_t epoch() const { return registry_.epoch(); }

 private:
  struct Add {
    NewPush push;
    OnAdded done;
  };
  struct Remove {
    DeviceId device;
    Sequence sequence;
    bool through;
  };
  struct Sweep {
    base::WallTime now;
    OnSwept done;
  };
  using Deleting = std::set<std::pair<DeviceId, Sequence>>;
  using Job = std::variant<Add, Remove, Sweep>;
  /// What became of a job: of an Add its number, of a Sweep its count.
  using Outcome = base::Result<std::variant<std::monostate, Accepted, std::int64_t>>;

  Store(Options options, Post post, Database write, Database read, Registry registry);
  base::Result<void> prepare();
  void enqueue(Job job, bool urgent);
  void run_writer();
  bool take_batch(std::vector<Job>& batch);
  void write_batch(std::vector<Job> batch);
  base::Result<void> commit(std::span<const Job> jobs, std::vector<Outcome>& outcomes);
  base::Result<Outcome> apply(const Job& job);
  void on_deleted(const Remove& remove);

  Options options_;
  Post post_;
  Database write_database_;
  Database read_database_;
  Registry registry_;
  std::optional<PushTable> write_;
  std::optional<PushTable> read_;
  Deleting deleting_;  ///< asked for, and not yet written

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;         // guarded by mutex_
  std::size_t urgent_ = 0;       // those of `jobs_` that somebody waits for; guarded by mutex_
  bool stopping_ = false;        // guarded by mutex_
  std::vector<Job> unfinished_;  // deletions that failed; the writer's
  std::thread writer_;
};

}  // namespace wakeline::store
