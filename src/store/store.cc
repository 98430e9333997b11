// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "io/clock.h"

namespace wakeline::store {

using base::ErrorCode;

namespace {

/// Nobody waits for a deletion: it goes with the next push, or after this time.
constexpr base::Duration kDeletionDelay = std::chrono::milliseconds(20);
/// Between two tries of a deletion that failed; only while there is one.
constexpr base::Duration kRetryDelay = std::chrono::seconds(1);

}  // namespace

Store::Store(Options options, Post post, Database write)
    : options_(std::move(options)), post_(std::move(post)), write_database_(std::move(write)) {}

base::Result<std::unique_ptr<Store>> Store::open(Options options, Post post) {
  auto write = Database::open(options.path, Database::Mode::kWrite);
  if (!write) return base::fail(write.error());
  std::unique_ptr<Store> store(new Store(std::move(options), std::move(post), std::move(*write)));
  if (auto prepared = store->prepare(); !prepared) return base::fail(prepared.error());
  store->writer_ = std::thread([raw = store.get()] { raw->run_writer(); });
  return store;
}

base::Result<void> Store::prepare() {
  if (auto limited = write_database_.limit_pages(options_.pages_max); !limited) return limited;
  if (!options_.synced) {
    if (auto relaxed = write_database_.run("PRAGMA synchronous = NORMAL"); !relaxed) return relaxed;
  }
  auto write = PushTable::prepare(write_database_, options_.queue_max);
  if (!write) return base::fail(write.error());
  auto reports = ReportTable::prepare(write_database_);
  if (!reports) return base::fail(reports.error());
  write_.emplace(std::move(*write));
  write_reports_.emplace(std::move(*reports));
  const struct {
    Statement& statement;
    std::string_view sql;
  } rows[] = {{begin_, "BEGIN IMMEDIATE"}, {begin_reading_, "BEGIN"},   {commit_, "COMMIT"},
              {save_, "SAVEPOINT work"},   {undo_, "ROLLBACK TO work"}, {keep_, "RELEASE work"}};
  for (const auto& row : rows) {
    auto statement = write_database_.prepare(row.sql);
    if (!statement) return base::fail(statement.error());
    row.statement = std::move(*statement);
  }
  write_database_.leave_log();
  if (auto opened = open_journal(); !opened) return opened;
  auto keeper = LogKeeper::open(options_.path, [this] {
    {
      const std::scoped_lock lock(mutex_);
      log_ = Log::kCopied;
    }
    wake_.notify_one();
  });
  if (!keeper) return base::fail(keeper.error());
  keeper_ = std::move(*keeper);
  auto own = reader();
  if (!own) return base::fail(own.error());
  own_ = std::move(*own);
  plan();
  return {};
}

base::Result<std::unique_ptr<Reader>> Store::reader() {
  return Reader::open(*this, options_.path, options_.queue_max);
}

Store::~Store() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (writer_.joinable()) writer_.join();
  keeper_.reset();
}

base::Result<void> Store::enqueue_if_room(Job job) {
  // What devices ask for keeps no push out.
  const std::size_t max = std::holds_alternative<Other>(job) ? kWritesMax / 2 : kWritesMax;
  {
    const std::scoped_lock lock(mutex_);
    if (urgent_ >= max) return base::fail(ErrorCode::kBusy, "store.writes");
  }
  enqueue(std::move(job), true);
  return {};
}

base::Result<void> Store::add(NewPush push, OnAdded done) {
  return enqueue_if_room(Add{std::make_shared<const NewPush>(std::move(push)), std::move(done)});
}

base::Result<void> Store::put(std::shared_ptr<const NewPush> push, OnAdded done, OnStored stored) {
  const std::scoped_lock lock(mutex_);
  if (urgent_ >= kWritesMax) return base::fail(ErrorCode::kBusy, "store.writes");
  jobs_.emplace_back(Add{std::move(push), std::move(done), std::move(stored)});
  ++urgent_;
  return {};
}

void Store::flush() {
  {
    const std::scoped_lock lock(mutex_);
    if (urgent_ == 0) return;
  }
  if (options_.synced || !write_here()) wake_.notify_one();
}

/// Whether what is queued is a few pushes for a journal that has room.
bool Store::may_write_here() const {
  return unfinished_.empty() && !log_waits() && urgent_ <= kFewMax && jobs_.size() <= kHereMax &&
         journal_.ready() && !pour_fails_ && !commit_failed_ && journal_.room() >= kHereRoom &&
         std::ranges::all_of(jobs_, [](const Job& job) {
           return std::holds_alternative<Add>(job) || std::holds_alternative<Remove>(job);
         });
}

/// Returns: false where the writer has to.
bool Store::write_here() {
  const std::unique_lock writing(writing_, std::try_to_lock);
  if (!writing) return false;
  std::vector<Job> batch;
  {
    const std::scoped_lock lock(mutex_);
    if (!may_write_here()) return false;
    batch = take_batch();
  }
  look_for_room(batch);
  write_journal(batch);
  const auto is_deletion = [](const Job& job) { return std::holds_alternative<Remove>(job); };
  const bool done = std::ranges::all_of(batch, is_deletion);
  if (done) {
    keep_deletions(std::move(batch));
  } else {
    // One of them is for the tables: they come next.
    const std::scoped_lock lock(mutex_);
    urgent_ += batch.size() - static_cast<std::size_t>(std::ranges::count_if(batch, is_deletion));
    jobs_.insert(jobs_.begin(), std::make_move_iterator(batch.begin()),
                 std::make_move_iterator(batch.end()));
  }
  plan();
  return done;
}

/// When the writer has something to do, after a write.
void Store::plan() {
  const base::Instant at = due();
  {
    const std::scoped_lock lock(mutex_);
    due_ = at;
    if (planned_ <= at) return;
  }
  wake_.notify_one();
}

base::Result<void> Store::run(Work work, OnDone done) {
  return run(std::move(work), std::move(done), post_);
}

base::Result<void> Store::run(Work work, OnDone done, Post post) {
  return enqueue_if_room(Other{std::move(work), std::move(done), std::move(post)});
}

base::Result<void> Store::run_apart(Work work, OnDone done, Post post) {
  return enqueue_if_room(Other{std::move(work), std::move(done), std::move(post), true});
}

void Store::sweep(base::WallTime now, OnSwept done) { enqueue(Sweep{now, std::move(done)}, true); }

void Store::enqueue(Job job, bool urgent) {
  bool wake = false;
  {
    const std::scoped_lock lock(mutex_);
    // A further deletion changes nothing of what the writer waits for.
    wake = urgent || (jobs_.empty() && !collects_);
    jobs_.push_back(std::move(job));
    if (urgent) ++urgent_;
  }
  if (wake) wake_.notify_one();
}

void Store::run_writer() {
  std::unique_lock lock(mutex_);
  while (await_turn(lock)) {
    lock.unlock();
    {
      const std::scoped_lock writing(writing_);
      lock.lock();
      const bool copied = log_ == Log::kCopied;
      std::vector<Job> batch = copied ? std::vector<Job>() : take_batch();
      expects_ = std::ranges::any_of(
          batch, [](const Job& job) { return std::holds_alternative<Add>(job); });
      lock.unlock();
      if (copied)
        finish_log();
      else
        write_batch(std::move(batch));
      plan();
    }
    lock.lock();
  }
  lock.unlock();
  finish_writer();
}

/// Waits for something that the writer has to do. Returns: false when there is nothing and there
/// will be nothing.
bool Store::await_turn(std::unique_lock<std::mutex>& lock) {
  const auto may_write = [this] { return log_ == Log::kCopied || !log_waits(); };
  const auto something = [&] {
    return may_write() && (stopping_ || !jobs_.empty() || log_ == Log::kCopied);
  };
  const auto somebody_waits = [&] {
    return may_write() && (stopping_ || urgent_ > 0 || log_ == Log::kCopied);
  };
  for (;;) {
    planned_ = due_;
    if (!unfinished_.empty()) planned_ = std::min(planned_, io::now() + kRetryDelay);
    if (!std::exchange(expects_, false)) {
      const auto something_new = [&] { return something() || due_ < planned_; };
      if (planned_ == base::kNever || !may_write())
        wake_.wait(lock, something_new);
      else if (!wake_.wait_for(lock, planned_ - io::now(), something_new))
        return true;
      if (!something()) continue;
    }
    collects_ = true;
    wake_.wait_for(lock, kDeletionDelay, somebody_waits);
    collects_ = false;
    if (!something()) continue;
    // When it is to stop and nothing queues up: what failed before stays in the file.
    return log_ == Log::kCopied || !jobs_.empty();
  }
}

/// What the next transaction does, in the order in which it was asked for.
std::vector<Store::Job> Store::take_batch() {
  std::vector<Job> batch;
  const auto tried_again =
      unfinished_.begin() + static_cast<std::ptrdiff_t>(std::min(unfinished_.size(), kBatchMax));
  std::move(unfinished_.begin(), tried_again, std::back_inserter(batch));
  unfinished_.erase(unfinished_.begin(), tried_again);
  const std::size_t count = std::min(jobs_.size(), kBatchMax);
  const auto end = jobs_.begin() + static_cast<std::ptrdiff_t>(count);
  urgent_ -= static_cast<std::size_t>(std::count_if(
      jobs_.begin(), end, [](const Job& job) { return !std::holds_alternative<Remove>(job); }));
  std::move(jobs_.begin(), end, std::back_inserter(batch));
  jobs_.erase(jobs_.begin(), end);
  return batch;
}

}  // namespace wakeline::store
