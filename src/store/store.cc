// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "base/log.h"

namespace wakeline::store {

using base::ErrorCode;

namespace {

/// Nobody waits for a deletion: it goes with the next push, or after this time.
constexpr base::Duration kDeletionDelay = std::chrono::milliseconds(20);
/// Between two tries of a deletion that failed; only while there is one.
constexpr base::Duration kRetryDelay = std::chrono::seconds(1);

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};

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
  auto own = reader(post_);
  if (!own) return base::fail(own.error());
  own_ = std::move(*own);
  return {};
}

base::Result<std::unique_ptr<Reader>> Store::reader(Post post) {
  return Reader::open(*this, options_.path, options_.queue_max, std::move(post));
}

Store::~Store() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (writer_.joinable()) writer_.join();
}

base::Result<void> Store::enqueue_if_room(Job job) {
  {
    const std::scoped_lock lock(mutex_);
    if (urgent_ >= kWritesMax) return base::fail(ErrorCode::kBusy, "store.writes");
  }
  enqueue(std::move(job), true);
  return {};
}

base::Result<void> Store::add(NewPush push, OnAdded done) {
  return add(std::make_shared<const NewPush>(std::move(push)), std::move(done));
}

base::Result<void> Store::add(std::shared_ptr<const NewPush> push, OnAdded done, OnStored stored) {
  return enqueue_if_room(Add{std::move(push), std::move(done), std::move(stored)});
}

base::Result<void> Store::run(Work work, OnDone done) {
  return run(std::move(work), std::move(done), post_);
}

base::Result<void> Store::run(Work work, OnDone done, Post post) {
  return enqueue_if_room(Other{std::move(work), std::move(done), std::move(post)});
}

void Store::sweep(base::WallTime now, OnSwept done) { enqueue(Sweep{now, std::move(done)}, true); }

void Store::enqueue(Job job, bool urgent) {
  bool first = false;
  {
    const std::scoped_lock lock(mutex_);
    first = jobs_.empty();
    jobs_.push_back(std::move(job));
    if (urgent) ++urgent_;
  }
  // A further deletion changes nothing of what the writer waits for.
  if (first || urgent) wake_.notify_one();
}

void Store::run_writer() {
  std::vector<Job> batch;
  while (take_batch(batch)) write_batch(std::exchange(batch, {}));
}

/// Waits for work. Returns: false when there is none and there will be none.
bool Store::take_batch(std::vector<Job>& batch) {
  std::unique_lock lock(mutex_);
  const auto something = [this] { return stopping_ || !jobs_.empty(); };
  const auto somebody_waits = [this] { return stopping_ || urgent_ > 0; };
  if (unfinished_.empty())
    wake_.wait(lock, something);
  else
    wake_.wait_for(lock, kRetryDelay, something);
  if (!jobs_.empty()) wake_.wait_for(lock, kDeletionDelay, somebody_waits);
  if (stopping_ && jobs_.empty()) return false;  // what failed before stays in the file
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
  return true;
}

/// Whether the disk has more than what deletions may need. Where it cannot be told, writing tells.
bool Store::has_room() {
  struct statvfs disk{};
  if (::statvfs(options_.path.c_str(), &disk) != 0) return true;
  const std::uint64_t free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  if (free >= kReserve) return true;
  const auto inside = write_database_.free_bytes();
  // Both, as the WAL grows also where the file does not.
  return inside && free >= kReserve / 2 && free + *inside >= kReserve;
}

void Store::write_batch(std::vector<Job> batch) {
  full_ = !has_room();
  std::vector<Outcome> outcomes;
  if (!commit(batch, outcomes)) {
    // One of them failed, or the disk is full: each for itself, so that the others go through,
    // deletions above all, which make room.
    outcomes.clear();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      std::vector<Outcome> one;
      const auto committed = commit(std::span(batch).subspan(i, 1), one);
      outcomes.push_back(committed ? std::move(one.front()) : base::fail(committed.error()));
    }
  }
  answer(std::move(batch), outcomes);
  if (write_->receipts().take_written() == 0) return;
  post_([on_receipts = on_receipts_] {
    if (*on_receipts) (*on_receipts)();
  });
}

/// Posts what became of each job, one task for each thread that asked.
void Store::answer(std::vector<Job> batch, const std::vector<Outcome>& outcomes) {
  using Task = std::function<void()>;
  std::vector<Task> answers;
  std::map<std::shared_ptr<Reader::Deletions>, std::vector<Remove>> written;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Outcome& outcome = outcomes[i];
    if (auto* add = std::get_if<Add>(&batch[i])) {
      base::Result<Accepted> result = base::fail(base::Error{});
      if (outcome) {
        const Accepted& accepted = std::get<Accepted>(*outcome);
        if (add->stored) add->stored(accepted);
        result = accepted;
      } else {
        result = base::fail(outcome.error());
      }
      answers.emplace_back([done = std::move(add->done), result] { done(result); });
    } else if (auto* sweep = std::get_if<Sweep>(&batch[i])) {
      base::Result<std::int64_t> result = 0;
      if (outcome)
        result = std::get<std::int64_t>(*outcome);
      else
        result = base::fail(outcome.error());
      answers.emplace_back([done = std::move(sweep->done), result] { done(result); });
    } else if (auto* other = std::get_if<Other>(&batch[i])) {
      base::Result<void> result;
      if (!outcome) result = base::fail(outcome.error());
      if (other->done) other->post([done = std::move(other->done), result] { done(result); });
    } else if (outcome) {
      auto& remove = std::get<Remove>(batch[i]);
      acknowledged_ += static_cast<std::uint64_t>(std::get<std::int64_t>(*outcome));
      auto asked_by = remove.asked_by;
      written[std::move(asked_by)].push_back(std::move(remove));
    } else {
      unfinished_.push_back(std::move(batch[i]));
    }
  }
  for (auto& [deletions, removed] : written) {
    deletions->post([removes = std::move(removed)] {
      for (const Remove& remove : removes)
        remove.asked_by->forget(remove.device, remove.sequence, remove.through);
    });
  }
  if (answers.empty()) return;
  post_([answers = std::move(answers)] {
    for (const auto& answer : answers) answer();
  });
}

/// One transaction. Errors: as Statement::step; nothing of it is in the file then.
base::Result<void> Store::commit(std::span<const Job> jobs, std::vector<Outcome>& outcomes) {
  auto done = write_database_.run("BEGIN IMMEDIATE");
  for (const Job& job : jobs) {
    if (!done) break;
    auto outcome = apply(job);
    if (outcome)
      outcomes.push_back(std::move(*outcome));
    else
      done = base::fail(outcome.error());
  }
  if (done) done = write_database_.run("COMMIT");
  if (!done && write_database_.in_transaction()) {
    // A rollback that fails leaves a transaction in which every later BEGIN fails, with its error.
    if (const auto rolled_back = write_database_.run("ROLLBACK"); !rolled_back)
      base::log(base::LogLevel::kError, "store", "{}", base::to_string(rolled_back.error()));
  }
  return done;
}

/// Returns: the job's answer, which may be a refusal. Errors: those that spoil the transaction.
base::Result<Store::Outcome> Store::apply(const Job& job) {
  return std::visit(
      Overloaded{[this](const Add& add) -> base::Result<Outcome> {
                   if (full_) return Outcome(base::fail(ErrorCode::kStorageFull, "store.room"));
                   const auto accepted = write_->add(*add.push);
                   if (accepted) return Outcome(*accepted);
                   const base::Error error = accepted.error();
                   if (error.code == ErrorCode::kNotFound || error.code == ErrorCode::kBusy)
                     return Outcome(base::fail(error));
                   return base::fail(error);
                 },
                 [this](const Remove& remove) -> base::Result<Outcome> {
                   const auto ran = remove.through
                                        ? write_->remove_through(remove.device, remove.sequence)
                                        : write_->remove(remove.device, remove.sequence);
                   if (!ran) return base::fail(ran.error());
                   return Outcome(std::int64_t{write_database_.changes()});
                 },
                 [this](const Sweep& sweep) -> base::Result<Outcome> {
                   const auto limit = static_cast<std::int64_t>(kBatchMax);
                   const auto swept = write_->sweep(sweep.now, limit);
                   if (!swept) return base::fail(swept.error());
                   const auto reports = write_reports_->sweep(sweep.now, limit);
                   if (!reports) return base::fail(reports.error());
                   const auto receipts = write_->receipts().sweep(sweep.now, limit);
                   if (!receipts) return base::fail(receipts.error());
                   return Outcome(*swept + *reports + *receipts);
                 },
                 [this](const Other& other) -> base::Result<Outcome> {
                   const auto ran = other.work(write_database_);
                   if (!ran) return base::fail(ran.error());
                   return Outcome(std::monostate{});
                 }},
      job);
}

}  // namespace wakeline::store
