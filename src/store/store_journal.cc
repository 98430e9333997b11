// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "io/clock.h"
#include "store/journal_peek.h"
#include "store/store.h"

/// The store's way past the tables: a plain push is in the journal, and in memory, until its device
/// has it. What is not acknowledged soon is poured into the tables, all at once; so is everything
/// before the tables are asked for more than a device.
namespace wakeline::store {

using base::ErrorCode;

namespace {

/// Bytes of the record of a push that went, and more.
constexpr std::size_t kRemovedBytes = 64;
/// Longest name that the journal takes.
constexpr std::size_t kNameMax = 1'024;
/// Between two tries to pour.
constexpr base::Duration kPourPause = std::chrono::seconds(1);

/// Whether a push needs nothing of the tables but its device.
bool is_plain(const NewPush& push) {
  return push.topic.empty() && push.idempotency_key.empty() && push.receipt == 0 &&
         !push.device.empty() && push.device.size() <= kNameMax && push.group.size() <= kNameMax &&
         record_size(push) <= kRecordMax;
}

}  // namespace

base::Result<void> Store::open_journal() {
  const auto key = journal_key(write_database_);
  if (!key) return base::fail(key.error());
  journal_key_ = *key;
  auto journal = Journal::open(options_.path, options_.synced);
  if (!journal) return base::fail(journal.error());
  journal_ = std::move(*journal);
  if (journal_->size() < kJournalBytes)
    base::log(base::LogLevel::kWarning, "store", "the disk has {} of {} bytes for the journal",
              journal_->size(), kJournalBytes);
  const auto records = journal_->read(journal_key_);
  if (!records) return base::fail(records.error());
  restore(*records);
  if (!records->empty())
    base::log(base::LogLevel::kInfo, "store", "{} records were in the journal alone",
              records->size());
  // Also without any: behind a record that was cut short there may be whole ones, which nobody was
  // told of.
  std::vector<Outcome> none;
  const auto committed = commit({}, none);
  // With a full disk they stay in the journal, which takes nothing more, and in memory.
  if (!committed && committed.error().code != ErrorCode::kStorageFull) return committed;
  return {};
}

/// What a process that ended had accepted.
void Store::restore(const std::vector<JournalRecord>& records) {
  for (const JournalRecord& record : records) {
    if (const auto* removed = std::get_if<RemovedPush>(&record)) {
      recent_.remove(removed->device, removed->sequence);
      continue;
    }
    const auto& added = std::get<RecentPush>(record);
    Numbers& numbers = numbers_[added.push->device];
    numbers = {added.device, std::max(numbers.last, added.sequence)};
    recent_.add(std::span(&added, 1), io::now());
  }
}

/// Takes out of a batch, and answers, what the tables are not needed for.
void Store::write_journal(std::vector<Job>& batch) {
  const bool takes_pushes = journal_takes(batch);
  Settled settled;
  std::vector<Job> left;
  std::vector<Job> pushes;
  std::vector<Job> later;  // deletions that were asked for behind a push
  for (Job& job : batch) {
    if (std::holds_alternative<Remove>(job)) {
      if (!pushes.empty())
        later.push_back(std::move(job));
      else
        remove_recent(std::move(job), settled, left);
    } else {
      const bool taken = takes_pushes && std::holds_alternative<Add>(job);
      (taken ? pushes : left).push_back(std::move(job));
    }
  }
  add_recent(std::move(pushes), settled, left);
  for (Job& job : later) remove_recent(std::move(job), settled, left);
  if (!later.empty()) write_records(false);
  batch = std::move(left);
  if (!settled.jobs.empty()) answer(std::move(settled.jobs), settled.outcomes);
}

/// Returns: whether what was appended is in the journal.
bool Store::write_records(bool sync) {
  if (!journal_ready_) return false;
  const auto written = journal_->write(sync);
  if (!written) {
    base::log(base::LogLevel::kError, "store", "{}", base::to_string(written.error()));
    journal_ready_ = false;
  }
  return written.has_value();
}

/// Pushes that are to go to the journal do, all or none of them.
void Store::add_recent(std::vector<Job> pushes, Settled& settled, std::vector<Job>& left) {
  std::optional<Numbered> numbered;
  if (!pushes.empty()) {
    // One moment of the tables for all of them: each would lock the file for itself.
    const bool moment = pushes.size() > 1 && begin_reading_.run();
    numbered = number(pushes);
    if (moment && !commit_.run()) numbered.reset();
  }
  if (numbered)
    for (const RecentPush& push : numbered->pushes) journal_->append(push);
  const bool written = write_records(numbered && !numbered->pushes.empty());
  if (!numbered || !written) {
    std::ranges::move(pushes, std::back_inserter(left));
    return;
  }
  for (const RecentPush& push : numbered->pushes)
    numbers_[push.push->device] = {push.device, push.sequence};
  recent_.add(numbered->pushes, io::now());
  std::ranges::move(pushes, std::back_inserter(settled.jobs));
  std::ranges::move(numbered->outcomes, std::back_inserter(settled.outcomes));
}

/// Whether the pushes of a batch can go to the journal. Makes room in it where there is none.
bool Store::journal_takes(std::span<const Job> batch) {
  std::size_t bytes = 0;
  bool takes = !full_ && !pour_fails_ && !commit_failed_;
  for (const Job& job : batch) {
    if (const auto* remove = std::get_if<Remove>(&job)) {
      bytes += kRemovedBytes * (remove->through ? recent_.count(remove->device) : 1);
    } else if (const auto* add = std::get_if<Add>(&job)) {
      bytes += record_size(*add->push);
      takes = takes && is_plain(*add->push);
    } else {
      const auto* other = std::get_if<Other>(&job);
      takes = takes && other != nullptr && other->apart;
    }
  }
  if (journal_ready_ && bytes > journal_->room()) {
    if (bytes <= journal_->size()) pour_alone();
    if (bytes > journal_->room()) journal_ready_ = false;
  }
  return takes && journal_ready_;
}

void Store::remove_recent(Job job, Settled& settled, std::vector<Job>& left) {
  const Remove& remove = std::get<Remove>(job);
  std::vector<Sequence> removed;
  if (remove.through)
    removed = recent_.remove_through(remove.device, remove.sequence);
  else if (recent_.remove(remove.device, remove.sequence))
    removed.push_back(remove.sequence);
  for (const Sequence sequence : removed) {
    // It may take pushes of this very batch, which nobody planned for.
    if (journal_ready_ && journal_->room() < kRemovedBytes) journal_ready_ = false;
    if (journal_ready_) journal_->append(RemovedPush{remove.device, sequence});
  }
  if (!removed.empty() && !in_tables(remove)) {
    settled.jobs.push_back(std::move(job));
    settled.outcomes.emplace_back(static_cast<std::int64_t>(removed.size()));
  } else {
    acknowledged_ += removed.size();
    left.push_back(std::move(job));
  }
}

/// Whether a deletion that found recent pushes may find others in the tables.
bool Store::in_tables(const Remove& remove) {
  if (!remove.through) return false;
  const auto any = write_->any_through(remove.device, remove.sequence);
  return !any || *any;
}

/// Gives plain pushes their numbers. Nothing where one of them is for the tables after all.
std::optional<Store::Numbered> Store::number(std::span<const Job> batch) {
  Numbered all;
  std::unordered_map<std::string_view, Target> targets;
  for (const Job& job : batch) {
    const NewPush& push = *std::get<Add>(job).push;
    auto known = targets.find(push.device);
    if (known == targets.end()) {
      const auto found = write_->find_target(push.device);
      if (!found) return std::nullopt;
      if (!*found) {
        all.outcomes.emplace_back(base::fail(ErrorCode::kNotFound, "store.device"));
        continue;
      }
      Target target = **found;
      if (const auto recent = numbers_.find(push.device); recent != numbers_.end()) {
        // Another one of that name: the tables must know of the numbers of the first.
        if (recent->second.device != target.device) return std::nullopt;
        target.last = std::max(target.last, recent->second.last);
      }
      target.waiting += static_cast<std::int64_t>(recent_.count(target.device));
      known = targets.emplace(push.device, target).first;
    }
    Target& target = known->second;
    const bool waits = push.expires > push.accepted;
    if (push.urgency < target.lowest || (waits && target.waiting >= options_.queue_max))
      return std::nullopt;
    if (waits) ++target.waiting;
    all.pushes.push_back({target.device, ++target.last, waits, std::get<Add>(job).push});
    all.outcomes.emplace_back(
        Accepted{.device = target.device, .sequence = target.last, .waits = waits});
  }
  return all;
}

/// Whether these jobs must find in the tables what the journal has. Deletions make room where there
/// is none: they must not need any.
bool Store::pours(std::span<const Job> jobs) const {
  if (numbers_.empty() && journal_ready_) return false;
  return jobs.empty() || std::ranges::any_of(jobs, [](const Job& job) {
           const auto* other = std::get_if<Other>(&job);
           return !std::holds_alternative<Remove>(job) && !(other != nullptr && other->apart);
         });
}

/// Within a transaction: everything that the journal alone has.
base::Result<void> Store::pour() {
  for (const auto& [name, numbers] : numbers_) {
    auto poured = write_->pour(numbers.device, name, numbers.last, recent_.of(numbers.device));
    if (!poured) return poured;
  }
  auto next = write_database_.prepare("UPDATE store SET journal = ?1");
  if (!next) return base::fail(next.error());
  return next->with(journal_key_.generation + 1).run();
}

/// After that transaction.
void Store::poured() {
  ++journal_key_.generation;
  journal_->begin(journal_key_);
  journal_ready_ = true;
  pour_fails_ = false;
  recent_.clear();
  numbers_.clear();
}

void Store::pour_alone() {
  std::vector<Outcome> none;
  const bool failed_before = std::exchange(pour_fails_, true);
  if (const auto committed = commit({}, none); !committed) {
    if (!failed_before)
      base::log(base::LogLevel::kError, "store", "journal: {}", base::to_string(committed.error()));
    pour_after_ = io::now() + kPourPause;
    return;
  }
  pour_fails_ = false;
  look_at_log();
}

/// When the writer has something to do without being asked.
base::Instant Store::due() {
  base::Instant at = base::kNever;
  if (deletions_.size() >= kDeletionsMax)
    at = deletions_since_;
  else if (!deletions_.empty())
    at = deletions_since_ + kDeletionsAge;
  if (const auto oldest = recent_.oldest())
    at = std::min(at, std::max(*oldest + kRecentAge, pour_after_));
  return at;
}

}  // namespace wakeline::store
