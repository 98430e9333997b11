// SPDX-License-Identifier: Apache-2.0
#include "store/journal_peek.h"

#include <algorithm>
#include <set>
#include <utility>

namespace wakeline::store {

using base::ErrorCode;

base::Result<JournalKey> journal_key(Database& database) {
  auto key = database.prepare("SELECT epoch, journal FROM store");
  if (!key) return base::fail(key.error());
  const auto row = key->step();
  if (!row) return base::fail(row.error());
  if (!*row) return base::fail(ErrorCode::kStorage, "store.journal");
  return JournalKey{.epoch = static_cast<std::uint64_t>(key->integer(0)),
                    .generation = static_cast<std::uint64_t>(key->integer(1))};
}

base::Result<JournalPeek> peek_journal(Database& database, const std::string& path) {
  for (int look = 0; look < kJournalLooksMax; ++look) {
    const auto before = journal_key(database);
    if (!before) return base::fail(before.error());
    const auto records = read_journal(path, *before);
    if (!records) return base::fail(records.error());
    const auto after = journal_key(database);
    if (!after) return base::fail(after.error());
    if (*before != *after) continue;
    std::set<std::pair<DeviceId, Sequence>> gone;
    for (const JournalRecord& record : *records) {
      if (const auto* removed = std::get_if<RemovedPush>(&record))
        gone.emplace(removed->device, removed->sequence);
    }
    JournalPeek peek{.key = *before};
    for (const JournalRecord& record : *records) {
      const auto* added = std::get_if<RecentPush>(&record);
      if (added == nullptr) continue;
      peek.pushes.push_back(*added);
      if (gone.contains({added->device, added->sequence})) peek.pushes.back().waits = false;
    }
    return peek;
  }
  return base::fail(ErrorCode::kBusy, "store.journal");
}

}  // namespace wakeline::store
