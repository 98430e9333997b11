// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "store/database.h"
#include "store/journal.h"

/// The journal of a store, as another process than its server sees it.
namespace wakeline::store {

/// Looks of one reading, each of which may find the journal begun anew meanwhile. Origin: a look
/// takes milliseconds, and the fastest server needs some hundred for one generation.
inline constexpr int kJournalLooksMax = 10;

/// The key of the records that are not in the tables yet. Errors: kStorage.
base::Result<JournalKey> journal_key(Database& database);

struct JournalPeek {
  JournalKey key{};
  std::vector<RecentPush> pushes{};  ///< that wait, and those that only used their number up
};
/// What the store at `path` has in its journal at one moment; `database` is that store. A moment
/// later it may be in the tables: then the key is another one.
/// Errors: kBusy (the server is faster), kStorage.
base::Result<JournalPeek> peek_journal(Database& database, const std::string& path);

}  // namespace wakeline::store
