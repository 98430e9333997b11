// SPDX-License-Identifier: Apache-2.0
#include "store/push_journal.h"

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include "base/log.h"
#include "io/clock.h"

namespace wakeline::store {

base::Result<std::size_t> PushJournal::open(const std::string& store, bool synced,
                                            const JournalKey& key) {
  key_ = key;
  auto file = Journal::open(store, synced);
  if (!file) return base::fail(file.error());
  file_ = std::move(*file);
  const auto records = file_->read(key_);
  if (!records) return base::fail(records.error());
  for (const JournalRecord& record : *records) {
    if (const auto* removed = std::get_if<RemovedPush>(&record)) {
      recent_.remove(removed->device, removed->sequence);
      continue;
    }
    const auto& added = std::get<RecentPush>(record);
    Numbers& numbers = numbers_[added.push->device];
    numbers = {added.device, std::max(numbers.last, added.sequence)};
    recent_.add(std::span(&added, 1), io::now());
  }
  return records->size();
}

const PushJournal::Numbers* PushJournal::numbers(const std::string& device) const {
  const auto found = numbers_.find(device);
  return found == numbers_.end() ? nullptr : &found->second;
}

bool PushJournal::add(std::span<const RecentPush> pushes) {
  if (!ready_) return false;
  for (const RecentPush& push : pushes) file_->append(push);
  if (!write_records(!pushes.empty())) return false;
  for (const RecentPush& push : pushes) numbers_[push.push->device] = {push.device, push.sequence};
  recent_.add(pushes, io::now());
  return true;
}

std::size_t PushJournal::remove(DeviceId device, Sequence sequence, bool through) {
  std::vector<Sequence> removed;
  if (through)
    removed = recent_.remove_through(device, sequence);
  else if (recent_.remove(device, sequence))
    removed.push_back(sequence);
  for (const Sequence one : removed) {
    // It may take pushes of this very batch, which nobody planned for.
    if (ready_ && room() < kRemovedBytes) ready_ = false;
    if (ready_) file_->append(RemovedPush{device, one});
  }
  return removed.size();
}

bool PushJournal::write_records(bool sync) {
  if (!ready_) return false;
  const auto written = file_->write(sync);
  if (!written) {
    base::log(base::LogLevel::kError, "store", "{}", base::to_string(written.error()));
    ready_ = false;
  }
  return written.has_value();
}

base::Result<void> PushJournal::pour(PushTable& table, Database& database) const {
  for (const auto& [name, numbers] : numbers_) {
    auto poured = table.pour(numbers.device, name, numbers.last, recent_.of(numbers.device));
    if (!poured) return poured;
  }
  auto next = database.prepare("UPDATE store SET journal = ?1");
  if (!next) return base::fail(next.error());
  return next->with(key_.generation + 1).run();
}

void PushJournal::poured() {
  ++key_.generation;
  file_->begin(key_);
  ready_ = true;
  recent_.clear();
  numbers_.clear();
}

}  // namespace wakeline::store
