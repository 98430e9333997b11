// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "store/log_keeper.h"
#include "store/push_journal.h"
#include "store/push_table.h"
#include "store/reader.h"
#include "store/registry.h"
#include "store/report_table.h"
#include "store/types.h"

namespace wakeline::store {

/// Writes that wait for the disk; further pushes are refused with kBusy, and whatever is no push
/// from half of that on.
inline constexpr std::size_t kWritesMax = 16'384;
/// Writes in one transaction, which is one sync of the disk.
inline constexpr std::size_t kBatchMax = 512;
/// Pushes of one write that whoever wrote them takes to their devices itself, see OnStored. Origin:
/// with more at a time the hop costs each of them little, and the threads work beside one another.
inline constexpr std::size_t kFewMax = 4;
/// Deletions that may go with them where they are written by who asked for them, and bytes that the
/// journal must have left then: no push waits for it to be poured.
inline constexpr std::size_t kHereMax = 64;
inline constexpr std::size_t kHereRoom = 512 << 10;
/// Pages of the log from which on it is copied to the file, and those at which commits wait for
/// that.
inline constexpr std::uint32_t kLogPages = 1'000;
inline constexpr std::uint32_t kLogPagesMax = 16'000;
/// What is left free of the disk, in bytes: a deletion takes space before it gives any. Origin: the
/// WAL grows to 4 MB until it is written back, and the file as much when it is; and both as much
/// for what is in the journal.
inline constexpr std::uint64_t kReserve = (8 << 20) + 2 * kJournalBytes;
/// How long a push may be in the journal alone: most are acknowledged within that, and are never in
/// the tables.
inline constexpr base::Duration kRecentAge = std::chrono::seconds(1);
/// Deletions from the tables that wait for more of them, and for how long. Nobody waits for one.
inline constexpr std::size_t kDeletionsMax = 64;
inline constexpr base::Duration kDeletionsAge = std::chrono::milliseconds(100);

/// Runs a task on one certain thread, later, and not after the store is gone. Must stay callable
/// until then.
using Post = std::function<void(std::function<void()>)>;

struct Options {
  std::string path{};
  std::uint32_t queue_max = kQueueMax;
  std::uint32_t pages_max = 0;  ///< size of the file in pages of 4 KiB; 0: what the disk gives
  /// Each transaction is synced to the disk before its answers go out. Without, they are when
  /// SQLite checkpoints: what was answered outlives the process at any moment, but not a power cut.
  bool synced = true;
};

/// The durable queue of one server. One thread of its own writes: what has queued up meanwhile is
/// one write of the journal, or one transaction, and the answers go out when it is synced, never
/// before; where nothing is synced, `flush` may write a few pushes instead. The journal has plain
/// pushes, until they are acknowledged or a second old; all else is in the tables, and what is
/// asked of them finds there what the journal had. SQLite's log is copied to the file by a third
/// thread. Reads go through a Reader, one for each thread. All calls of the store but `reader` may
/// come from any thread; the answers are posted to the thread that opened it, unless the call names
/// another.
class Store {
 public:
  using Post = store::Post;
  using OnAdded = std::function<void(base::Result<Accepted>)>;
  /// `few`: hardly any others became durable with it, so that who is called may take its time.
  using OnStored = std::function<void(const Accepted&, bool few)>;
  using OnSwept = std::function<void(base::Result<std::int64_t>)>;
  /// Changes of further tables, on the thread that writes, within its transaction. With an error of
  /// its own (kNotFound, kTooLarge, …) it refuses: what it wrote is undone, and whatever shares the
  /// transaction goes on. It may run twice: an error of the file or the disk rolls back all of
  /// that, and each is then tried alone.
  using Work = std::function<base::Result<void>(Database&)>;
  using OnDone = std::function<void(base::Result<void>)>;

  /// Errors: those of Database::open.
  static base::Result<std::unique_ptr<Store>> open(Options options, Post post);
  /// Writes what is queued, then closes.
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// `done` is posted when the push is durable, in the order of the calls.
  /// Errors (to `done`): kNotFound, kBusy (the device's queue), kKeyTaken, kStorageFull, kStorage.
  /// Errors (at once):   kBusy (kWritesMax).
  base::Result<void> add(NewPush push, OnAdded done);
  /// The same, of many: what is put is written once `flush` was called, or soon. `stored` is called
  /// before `done` is posted, on the thread that writes, where the push was taken: who delivers it
  /// need not wait for the thread that opened the store.
  base::Result<void> put(std::shared_ptr<const NewPush> push, OnAdded done, OnStored stored = {});
  /// Begins with what was put: once for all of one turn of a loop, as each time wakes a thread.
  /// Where nothing is synced, a few of them are written here and now, which takes less than that.
  void flush();
  /// The same, for several at once: all of them are durable when `done` is called, each with its
  /// own result.
  base::Result<void> add_all(std::vector<NewPush> pushes,
                             std::function<void(std::vector<base::Result<Accepted>>)> done);
  /// Runs `work` in the next transaction; `done` is posted when it is durable.
  /// Errors (to `done`): those of `work`. Errors (at once): kBusy (kWritesMax).
  base::Result<void> run(Work work, OnDone done);
  base::Result<void> run(Work work, OnDone done, Post post);
  /// Deletes a push for all readers; `done` is posted when it is durable. To `done`: whether it
  /// was there still, after all deletions that were asked for before. Errors (at once): kBusy
  /// (kWritesMax).
  base::Result<void> withdraw(DeviceId device, Sequence sequence,
                              std::function<void(base::Result<bool>)> done);
  /// Deletes what expired, in steps of `kBatchMax`. `done` gets the number of the step.
  void sweep(base::WallTime now, OnSwept done);

  /// What a device said; `done` through `post`. Errors (to `done`): kBusy (kReportsMax), kNotFound,
  /// those of `add`. Errors (at once): kBusy.
  base::Result<void> add_report(Report report, OnDone done, Post post);
  /// Joins or leaves a group. To `done`: whether it may (join), or had joined (leave). Errors (to
  /// `done`): those of ReportTable::join. Errors (at once): kBusy.
  base::Result<void> change_group(DeviceId device, std::string group, bool join,
                                  std::function<void(base::Result<bool>)> done, Post post);
  void leave_groups(DeviceId device);
  base::Result<bool> in_any_group(DeviceId device) { return own_->in_any_group(device); }
  /// See PushTable::set_lowest. Errors (at once): kBusy.
  base::Result<void> set_lowest(DeviceId device, std::uint8_t lowest,
                                std::optional<Sequence> hold_after,
                                std::function<void(base::Result<LowestSet>)> done, Post post);
  /// Deletes the reports up to `id`: they were fetched.
  base::Result<void> remove_reports(std::uint64_t id, OnDone done);

  /// The oldest receipts of a group above `after`, see ReceiptTable.
  base::Result<std::vector<Receipt>> receipts(std::uint64_t group, std::uint64_t after,
                                              std::size_t limit) {
    return own_->receipts(group, after, limit);
  }
  /// Deletes those up to `id`: they were fetched.
  base::Result<void> remove_receipts(std::uint64_t group, std::uint64_t id, OnDone done);
  /// Posted to the thread that opened the store, whenever new receipts are there.
  void set_on_receipts(std::function<void()> on_receipts) {
    *on_receipts_ = std::move(on_receipts);
  }

  /// A further thread's view. Must go before the store. Errors: those of Database::open.
  base::Result<std::unique_ptr<Reader>> reader();

  /// The view of the thread that opened the store.
  void remove(DeviceId device, Sequence sequence) { own_->remove(device, sequence); }
  void remove_through(DeviceId device, Sequence sequence, base::WallTime now) {
    own_->remove_through(device, sequence, now);
  }
  base::Result<std::optional<Push>> find(DeviceId device, Sequence sequence, base::WallTime now) {
    return own_->find(device, sequence, now);
  }
  base::Result<bool> find_accepted(DeviceId device, Sequence sequence, base::WallTime now) {
    return own_->find_accepted(device, sequence, now);
  }
  base::Result<Pending> pending(DeviceId device, Sequence after, std::uint16_t limit,
                                base::WallTime now) {
    return own_->pending(device, after, limit, now);
  }
  base::Result<std::optional<base::WallTime>> next_expiry() { return own_->next_expiry(); }
  base::Result<std::vector<Report>> reports(std::uint64_t after, std::string_view device,
                                            std::size_t limit) {
    return own_->reports(after, device, limit);
  }
  /// For look-ups alone: its connection does not write.
  Registry& registry() { return own_->registry(); }
  std::uint64_t epoch() const { return own_->registry().epoch(); }
  /// Pushes that wait and are not in the tables: other connections, of this process too, do not see
  /// them yet.
  /// Whether pushes are refused for want of space, as of the last write. Any thread.
  bool full() const { return full_; }
  std::size_t recent() const { return journal_.recent().count(); }
  /// Pushes that went since the start because their device has them.
  std::uint64_t acknowledged() const { return acknowledged_; }

 private:
  friend class Reader;
  struct Add {
    std::shared_ptr<const NewPush> push;
    OnAdded done;
    OnStored stored{};
  };
  struct Remove : Deletion {
    std::shared_ptr<Reader::Deletions> asked_by;
  };
  struct Sweep {
    base::WallTime now;
    OnSwept done;
  };
  struct Other {
    Work work;
    OnDone done;
    Post post;
    bool apart = false;  ///< it has nothing to do with pushes
  };
  using Job = std::variant<Add, Remove, Sweep, Other>;
  /// What became of a job: of an Add its number, of the others how many rows went.
  using Outcome = base::Result<std::variant<std::monostate, Accepted, std::int64_t>>;

  Store(Options options, Post post, Database write);
  base::Result<void> prepare();
  base::Result<void> run_apart(Work work, OnDone done, Post post);
  base::Result<void> enqueue_if_room(Job job);
  void enqueue(Job job, bool urgent);
  void run_writer();
  void finish_writer();
  bool write_here();
  bool may_write_here() const;
  void plan();
  bool await_turn(std::unique_lock<std::mutex>& lock);
  std::vector<Job> take_batch();

  // What is in the journal and not in the tables: store_journal.cc. For whoever writes.
  /// Pushes for the journal, with what becomes of the jobs that they are from.
  struct Numbered {
    std::vector<RecentPush> pushes;
    std::vector<Outcome> outcomes;
  };
  /// Jobs that are done, each with its outcome.
  struct Settled {
    std::vector<Job> jobs;
    std::vector<Outcome> outcomes;
  };
  base::Result<void> open_journal();
  void write_journal(std::vector<Job>& batch);
  bool journal_takes(std::span<const Job> batch);
  void remove_recent(Job job, Settled& settled, std::vector<Job>& left);
  void add_recent(std::vector<Job> pushes, Settled& settled, std::vector<Job>& left);
  bool in_tables(const Remove& remove);
  std::optional<Numbered> number(std::span<const Job> batch);
  bool pours(std::span<const Job> jobs) const;
  void pour_alone();
  base::Instant due();

  // One transaction after the other: store_commit.cc. For whoever writes.
  void write_batch(std::vector<Job> batch);
  void keep_deletions(std::vector<Job> deletions);
  void write_tables(std::vector<Job> batch);
  void answer(std::vector<Job> batch, const std::vector<Outcome>& outcomes);
  base::Result<void> commit(std::span<const Job> jobs, std::vector<Outcome>& outcomes);
  base::Result<Outcome> apply(const Job& job);
  base::Result<Outcome> attempt(const Work& work);
  bool has_room();
  void look_for_room(std::span<const Job> batch);
  void look_at_log();
  void finish_log();
  bool log_waits() const {
    return log_ == Log::kCopied || (log_ == Log::kBeingCopied && log_pages_ >= kLogPagesMax);
  }

  Options options_;
  Post post_;
  Database write_database_;
  Statement begin_, begin_reading_, commit_, save_, undo_, keep_;
  std::optional<PushTable> write_;
  std::optional<ReportTable> write_reports_;
  std::unique_ptr<Reader> own_;
  /// The opening thread's; shared, as a task may come after the store is gone.
  std::shared_ptr<std::function<void()>> on_receipts_ = std::make_shared<std::function<void()>>();
  PushJournal journal_;  ///< changed by whoever writes

  /// Held by whoever writes: the writer, or who calls `flush`. Before `mutex_`.
  std::mutex writing_;
  // Guarded by writing_, and so are `write_database_` and its statements.
  std::atomic<bool> full_ = false;  ///< pushes are refused; read by any thread
  base::Instant looked_at_{};
  std::size_t unseen_bytes_ = 0;  ///< of pushes that came since
  std::vector<Job> deletions_;    ///< from the tables, that wait for more
  base::Instant deletions_since_{};
  bool pour_fails_ = false;     ///< the journal must not take what it cannot give
  bool commit_failed_ = false;  ///< nor anything before the next commit
  base::Instant pour_after_{};

  enum class Log : std::uint8_t { kGrows, kBeingCopied, kCopied };

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;              // guarded by mutex_
  std::size_t urgent_ = 0;            // those of `jobs_` that somebody waits for; guarded by mutex_
  std::vector<Job> unfinished_;       // deletions that failed; guarded by mutex_
  base::Instant due_ = base::kNever;  // of the writer, unasked; guarded by mutex_
  base::Instant planned_ = base::kNever;  // the writer wakes at it; guarded by mutex_
  bool collects_ = false;                 // the writer waits for more deletions; guarded by mutex_
  /// The writer has written pushes: what acknowledges them comes soon, and is collected without
  /// waking it. Guarded by mutex_.
  bool expects_ = false;
  Log log_ = Log::kGrows;        // guarded by mutex_
  std::uint32_t log_pages_ = 0;  // guarded by mutex_
  bool stopping_ = false;        // guarded by mutex_
  std::atomic<std::uint64_t> acknowledged_ = 0;
  std::unique_ptr<LogKeeper> keeper_;
  std::thread writer_;
};

}  // namespace wakeline::store
