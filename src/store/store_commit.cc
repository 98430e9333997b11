// SPDX-License-Identifier: Apache-2.0
#include <sys/statvfs.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>
#include <utility>

#include "base/log.h"
#include "io/clock.h"
#include "store/store.h"

/// The store's transactions: what a batch of jobs does to the tables, who is told, and what becomes
/// of the log.
namespace wakeline::store {

using base::ErrorCode;

namespace {

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};

/// How long, and for how many bytes of pushes, what was found of the disk's room holds.
constexpr base::Duration kLookPause = std::chrono::milliseconds(100);
constexpr std::size_t kLookBytes = 1 << 20;

/// Whether a piece of work says no for a reason of its own; else the file or the disk failed.
bool is_refusal(const base::Error& error) {
  switch (error.code) {
    case ErrorCode::kStorage:
    case ErrorCode::kStorageFull:
    case ErrorCode::kPermission:   // the file is read-only
    case ErrorCode::kUnsupported:  // it is no database any more
    case ErrorCode::kOs:
      return false;
    default:
      return true;
  }
}

}  // namespace

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

void Store::look_for_room(std::span<const Job> batch) {
  for (const Job& job : batch) {
    if (const auto* add = std::get_if<Add>(&job)) unseen_bytes_ += add->push->body.size();
  }
  const base::Instant now = io::now();
  if (!full_ && unseen_bytes_ < kLookBytes && now < looked_at_ + kLookPause) return;
  full_ = !has_room();
  looked_at_ = now;
  unseen_bytes_ = 0;
}

void Store::write_batch(std::vector<Job> batch) {
  look_for_room(batch);
  write_journal(batch);
  const auto is_deletion = [](const Job& job) { return std::holds_alternative<Remove>(job); };
  const bool deletions_alone = std::ranges::all_of(batch, is_deletion);
  keep_deletions(std::move(batch));
  if (!deletions_alone || deletions_.size() >= kDeletionsMax ||
      io::now() >= deletions_since_ + kDeletionsAge)
    write_tables(std::exchange(deletions_, {}));
  const auto oldest = journal_.oldest();
  if (oldest && io::now() >= std::max(*oldest + kRecentAge, pour_after_)) pour_alone();
}

/// Those of the tables wait for others.
void Store::keep_deletions(std::vector<Job> deletions) {
  if (deletions_.empty()) deletions_since_ = io::now();
  std::ranges::move(deletions, std::back_inserter(deletions_));
}

/// Before the writer ends.
void Store::finish_writer() {
  const std::scoped_lock writing(writing_);
  write_tables(std::exchange(deletions_, {}));
  if (!journal_.empty()) pour_alone();
}

void Store::write_tables(std::vector<Job> batch) {
  if (batch.empty()) return;
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
  look_at_log();
  if (write_->receipts().take_written() == 0) return;
  post_([on_receipts = on_receipts_] {
    if (*on_receipts) (*on_receipts)();
  });
}

/// Posts what became of each job, one task for each thread that asked.
void Store::answer(std::vector<Job> batch, const std::vector<Outcome>& outcomes) {
  using Task = std::function<void()>;
  const bool few = std::cmp_less_equal(
      std::ranges::count_if(batch, [](const Job& job) { return std::holds_alternative<Add>(job); }),
      kFewMax);
  std::vector<Job> failed;
  std::vector<Task> answers;
  std::map<std::shared_ptr<Reader::Deletions>, std::vector<Deletion>> written;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Outcome& outcome = outcomes[i];
    if (auto* add = std::get_if<Add>(&batch[i])) {
      base::Result<Accepted> result = base::fail(base::Error{});
      if (outcome) {
        const Accepted& accepted = std::get<Accepted>(*outcome);
        if (add->stored) add->stored(accepted, few);
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
      written[std::move(remove.asked_by)].push_back(remove);
    } else {
      failed.push_back(std::move(batch[i]));
    }
  }
  for (auto& [deletions, removed] : written) deletions->add(std::move(removed));
  if (!failed.empty()) {
    const std::scoped_lock lock(mutex_);
    std::ranges::move(failed, std::back_inserter(unfinished_));
  }
  if (answers.empty()) return;
  post_([answers = std::move(answers)] {
    for (const auto& answer : answers) answer();
  });
}

/// After a transaction.
void Store::look_at_log() {
  bool ask = false;
  {
    const std::scoped_lock lock(mutex_);
    log_pages_ = write_database_.log_pages();
    // Where the disk is full, the log may be what it is full of.
    ask = log_ == Log::kGrows && (log_pages_ >= kLogPages || (full_ && log_pages_ > 0));
    if (ask) log_ = Log::kBeingCopied;
  }
  if (ask) keeper_->ask();
}

/// Copies what came to the log while the rest was copied. A reader may need what is in the file
/// just now: then the log grows on, and is copied again soon.
void Store::finish_log() {
  const auto left = write_database_.checkpoint();
  if (!left) base::log(base::LogLevel::kError, "store", "{}", base::to_string(left.error()));
  const std::scoped_lock lock(mutex_);
  log_ = Log::kGrows;
}

/// One transaction; without jobs it only takes what is in the journal. Errors: as Statement::step;
/// nothing of it is in the file then.
base::Result<void> Store::commit(std::span<const Job> jobs, std::vector<Outcome>& outcomes) {
  const bool with_recent = pours(jobs);
  auto done = begin_.run();
  if (done && with_recent) done = journal_.pour(*write_, write_database_);
  for (const Job& job : jobs) {
    if (!done) break;
    auto outcome = apply(job);
    if (outcome)
      outcomes.push_back(std::move(*outcome));
    else
      done = base::fail(outcome.error());
  }
  if (done) {
    done = commit_.run();
    // One whose sync failed may be there after a crash, with numbers that were not given, and with
    // the journal's next generation; until the next one takes its place in the log.
    commit_failed_ = !done;
  }
  if (!done && write_database_.in_transaction()) {
    // A rollback that fails leaves a transaction in which every later BEGIN fails, with its error.
    if (const auto rolled_back = write_database_.run("ROLLBACK"); !rolled_back)
      base::log(base::LogLevel::kError, "store", "{}", base::to_string(rolled_back.error()));
  }
  if (done && with_recent) {
    journal_.poured();
    pour_fails_ = false;
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
                   if (error.code == ErrorCode::kNotFound || error.code == ErrorCode::kBusy ||
                       error == kKeyTaken)
                     return Outcome(base::fail(error));
                   return base::fail(error);
                 },
                 [this](const Remove& remove) -> base::Result<Outcome> {
                   const auto ran =
                       remove.through
                           ? write_->remove_through(remove.device, remove.sequence, remove.asked)
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
                 [this](const Other& other) { return attempt(other.work); }},
      job);
}

/// One that refuses leaves nothing of what it wrote, and the transaction to the others.
base::Result<Store::Outcome> Store::attempt(const Work& work) {
  if (const auto saved = save_.run(); !saved) return base::fail(saved.error());
  const auto ran = work(write_database_);
  if (!ran && !is_refusal(ran.error())) return base::fail(ran.error());
  if (!ran) {
    if (const auto undone = undo_.run(); !undone) return base::fail(undone.error());
  }
  if (const auto kept = keep_.run(); !kept) return base::fail(kept.error());
  if (!ran) return Outcome(base::fail(ran.error()));
  return Outcome(std::monostate{});
}

}  // namespace wakeline::store
