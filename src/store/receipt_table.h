// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>
#include <vector>

#include "store/database.h"
#include "store/types.h"

namespace wakeline::store {

/// What became of pushes whose senders asked to be told. A group of receipts is a number that its
/// reader made up; nothing else is kept of it. Changes belong to the caller's transaction. The
/// notes are taken just before the pushes are deleted.
class ReceiptTable {
 public:
  static constexpr int kDelivered = 204;  ///< the device has acknowledged it (RFC 8030 §6.3)
  static constexpr int kGone =
      410;  ///< it expired, another took its place, or its device was removed

  /// `database` must outlive the table.
  static base::Result<ReceiptTable> prepare(Database& database);

  /// Whether one more receipt may wait in the group. Errors: kBusy (kReceiptsMax).
  base::Result<void> check_room(std::uint64_t group);
  /// A push that nobody waited for.
  base::Result<void> add(std::uint64_t group, DeviceId device, Sequence sequence, int status);
  /// A push with a receipt was stored: from now on there is something to note.
  void expect() { expected_ = true; }
  base::Result<void> note(DeviceId device, Sequence sequence);
  base::Result<void> note_through(DeviceId device, Sequence sequence, std::int64_t now_ms);
  base::Result<void> note_topic(DeviceId device, std::string_view topic);
  base::Result<void> note_expired_of(DeviceId device, std::int64_t now_ms);
  base::Result<void> note_swept(std::int64_t now_ms, std::int64_t limit);
  /// Of a device that is removed, maybe by another process than the server.
  static base::Result<void> note_device(Database& database, std::string_view name);

  /// The oldest `limit` of the group with an id above `after`.
  base::Result<std::vector<Receipt>> list(std::uint64_t group, std::uint64_t after,
                                          std::size_t limit);
  base::Result<void> remove_through(std::uint64_t group, std::uint64_t id);
  /// Deletes at most `limit` that nobody fetched for kReportsKept. Returns: how many.
  base::Result<std::int64_t> sweep(base::WallTime now, std::int64_t limit);

  /// Receipts that were written since the last call.
  std::int64_t take_written() { return std::exchange(written_, 0); }

 private:
  explicit ReceiptTable(Database& database) : database_(&database) {}
  base::Result<void> ran(base::Result<void> result);

  Database* database_;
  bool expected_ = false;  ///< some push that waits may have one
  std::int64_t written_ = 0;
  Statement count_, add_, note_, note_through_, note_topic_, note_expired_of_, note_swept_, list_,
      remove_through_, sweep_;
};

}  // namespace wakeline::store
