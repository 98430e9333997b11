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
  const auto records = journal_.open(options_.path, options_.synced, *key);
  if (!records) return base::fail(records.error());
  if (journal_.size() < kJournalBytes)
    base::log(base::LogLevel::kWarning, "store", "the disk has {} of {} bytes for the journal",
              journal_.size(), kJournalBytes);
  if (*records > 0)
    base::log(base::LogLevel::kInfo, "store", "{} records were in the journal alone", *records);
  // Also without any: it takes nothing before.
  std::vector<Outcome> none;
  const auto committed = commit({}, none);
  // With a full disk they stay in the journal, which takes nothing more, and in memory.
  if (!committed && committed.error().code != ErrorCode::kStorageFull) return committed;
  return {};
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
  if (!later.empty()) journal_.write();
  batch = std::move(left);
  if (!settled.jobs.empty()) answer(std::move(settled.jobs), settled.outcomes);
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
  // Also without pushes: there may be records of deletions.
  const bool written = journal_.add(numbered ? std::span<const RecentPush>(numbered->pushes)
                                             : std::span<const RecentPush>());
  if (!numbered || !written) {
    std::ranges::move(pushes, std::back_inserter(left));
    return;
  }
  std::ranges::move(pushes, std::back_inserter(settled.jobs));
  std::ranges::move(numbered->outcomes, std::back_inserter(settled.outcomes));
}

/// Whether the pushes of a batch can go to the journal. Makes room in it where there is none.
bool Store::journal_takes(std::span<const Job> batch) {
  std::size_t bytes = 0;
  bool takes = !full_ && !pour_fails_ && !commit_failed_;
  for (const Job& job : batch) {
    if (const auto* remove = std::get_if<Remove>(&job)) {
      bytes += kRemovedBytes * (remove->through ? journal_.recent().count(remove->device) : 1);
    } else if (const auto* add = std::get_if<Add>(&job)) {
      bytes += record_size(*add->push);
      takes = takes && is_plain(*add->push);
    } else {
      const auto* other = std::get_if<Other>(&job);
      takes = takes && other != nullptr && other->apart;
    }
  }
  if (journal_.ready() && bytes > journal_.room()) {
    if (bytes <= journal_.size()) pour_alone();
    if (bytes > journal_.room()) journal_.stop();
  }
  return takes && journal_.ready();
}

void Store::remove_recent(Job job, Settled& settled, std::vector<Job>& left) {
  const Remove& remove = std::get<Remove>(job);
  const std::size_t removed = journal_.remove(remove.device, remove.sequence, remove.through);
  if (removed > 0 && !in_tables(remove)) {
    settled.jobs.push_back(std::move(job));
    settled.outcomes.emplace_back(static_cast<std::int64_t>(removed));
  } else {
    acknowledged_ += removed;
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
      if (const auto* recent = journal_.numbers(push.device)) {
        // Another one of that name: the tables must know of the numbers of the first.
        if (recent->device != target.device) return std::nullopt;
        target.last = std::max(target.last, recent->last);
      }
      target.waiting += static_cast<std::int64_t>(journal_.recent().count(target.device));
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
  if (journal_.empty() && journal_.ready()) return false;
  return jobs.empty() || std::ranges::any_of(jobs, [](const Job& job) {
           const auto* other = std::get_if<Other>(&job);
           return !std::holds_alternative<Remove>(job) && !(other != nullptr && other->apart);
         });
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
  if (const auto oldest = journal_.oldest())
    at = std::min(at, std::max(*oldest + kRecentAge, pour_after_));
  return at;
}

}  // namespace wakeline::store
