// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>

#include "store/database.h"
#include "store/journal.h"
#include "store/push_table.h"
#include "store/recent.h"

namespace wakeline::store {

/// Bytes of the record of a push that went, and more.
inline constexpr std::size_t kRemovedBytes = 64;

/// The pushes that are durable and not in the tables: their records are in the journal, they
/// themselves in memory. It is for whoever writes the store; `recent` may be read by any thread.
class PushJournal {
 public:
  /// The highest number of a device that got pushes here.
  struct Numbers {
    DeviceId device{};
    Sequence last = 0;
  };

  /// Opens the file, with the pushes that an earlier process left there. It takes nothing before
  /// the next pouring: behind a record that was cut short there may be whole ones, which nobody was
  /// told of. Returns: how many records there were. Errors: those of Journal::open and read.
  base::Result<std::size_t> open(const std::string& store, bool synced, const JournalKey& key);

  const RecentPushes& recent() const { return recent_; }
  /// Since when the oldest push waits.
  std::optional<base::Instant> oldest() { return recent_.oldest(); }
  /// Whether it takes records; if not, the next pouring mends that.
  bool ready() const { return ready_; }
  /// Bytes of the file, and those that are left of it.
  std::size_t size() const { return file_->size(); }
  std::size_t room() const { return file_->room(); }
  /// Whether it has nothing that the tables do not: no push, no number.
  bool empty() const { return numbers_.empty(); }
  /// Of the device of that name; null: it got none here.
  const Numbers* numbers(const std::string& device) const;

  /// Takes pushes, for which there is room, and writes their records and those before them.
  /// Returns: whether they are durable, or written where the store is not synced; else none is
  /// here.
  bool add(std::span<const RecentPush> pushes);
  /// Takes a push away, or with `through` all of its device up to it. The records of that are
  /// written with the next ones. Returns: how many there were.
  std::size_t remove(DeviceId device, Sequence sequence, bool through);
  /// Writes the records that wait, and does not sync them.
  void write() { write_records(false); }
  /// From now on it takes nothing before the next pouring.
  void stop() { ready_ = false; }

  /// Within a transaction: everything goes to the tables. `poured` is to be called when the
  /// transaction is durable. Errors: those of SQLite.
  base::Result<void> pour(PushTable& table, Database& database) const;
  void poured();

 private:
  bool write_records(bool sync);

  std::unique_ptr<Journal> file_;
  JournalKey key_{};
  bool ready_ = false;
  std::unordered_map<std::string, Numbers> numbers_;  ///< by name of device
  RecentPushes recent_;
};

}  // namespace wakeline::store
