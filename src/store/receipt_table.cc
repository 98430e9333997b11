// SPDX-License-Identifier: Apache-2.0
#include "store/receipt_table.h"

#include <utility>

#include "store/wall_ms.h"

namespace wakeline::store {

using base::ErrorCode;

namespace {

/// Of a push that goes now, under the number that its sender was told.
std::string insert_from_pushes(std::string_view status, std::string_view where) {
  return "INSERT INTO receipts (of_group, device, sequence, status, made)"
         " SELECT receipt, device, coalesce(held_as, sequence), " +
         std::string(status) + ", 1000 * CAST(strftime('%s', 'now') AS INTEGER) FROM pushes" +
         " WHERE receipt IS NOT NULL AND " + std::string(where);
}

}  // namespace

base::Result<ReceiptTable> ReceiptTable::prepare(Database& database) {
  ReceiptTable table(database);
  const std::string delivered = std::to_string(kDelivered);
  const std::string gone = std::to_string(kGone);
  const struct {
    Statement& statement;
    std::string sql;
  } rows[] = {
      {table.count_, "SELECT count(*) FROM (SELECT 1 FROM receipts WHERE of_group = ?1 LIMIT ?2)"},
      {table.add_,
       "INSERT INTO receipts (of_group, device, sequence, status, made)"
       " VALUES (?1, ?2, ?3, ?4, 1000 * CAST(strftime('%s', 'now') AS INTEGER))"},
      {table.note_, insert_from_pushes(delivered, "device = ?1 AND sequence = ?2")},
      {table.note_through_,
       insert_from_pushes("iif(expires <= ?3, " + gone + ", " + delivered + ")",
                          "device = ?1 AND sequence <= ?2 AND held = 0")},
      {table.note_topic_, insert_from_pushes(gone, "device = ?1 AND topic = ?2")},
      {table.note_expired_of_, insert_from_pushes(gone, "device = ?1 AND expires <= ?2")},
      // The same rows as PushTable::sweep deletes.
      {table.note_swept_,
       insert_from_pushes(gone,
                          "(device, sequence) IN (SELECT device, sequence FROM pushes"
                          " WHERE expires <= ?1 ORDER BY expires, device, sequence LIMIT ?2)")},
      {table.list_,
       "SELECT id, device, sequence, status FROM receipts"
       " WHERE of_group = ?1 AND id > ?2 ORDER BY id LIMIT ?3"},
      {table.remove_through_, "DELETE FROM receipts WHERE of_group = ?1 AND id <= ?2"},
      {table.sweep_,
       "DELETE FROM receipts WHERE id IN (SELECT id FROM receipts WHERE made <= ?1 LIMIT ?2)"},
  };
  for (const auto& row : rows) {
    auto statement = database.prepare(row.sql);
    if (!statement) return base::fail(statement.error());
    row.statement = std::move(*statement);
  }
  auto any = database.prepare("SELECT 1 FROM pushes WHERE receipt IS NOT NULL LIMIT 1");
  if (!any) return base::fail(any.error());
  const auto row = any->step();
  if (!row) return base::fail(row.error());
  table.expected_ = *row;
  return table;
}

base::Result<void> ReceiptTable::ran(base::Result<void> result) {
  if (result) written_ += database_->changes();
  return result;
}

base::Result<void> ReceiptTable::check_room(std::uint64_t group) {
  const auto row = count_.with(group, static_cast<std::int64_t>(kReceiptsMax)).step();
  if (!row) return base::fail(row.error());
  const std::int64_t count = count_.integer(0);
  count_.reset();
  if (count >= static_cast<std::int64_t>(kReceiptsMax))
    return base::fail(ErrorCode::kBusy, "store.receipts");
  return {};
}

base::Result<void> ReceiptTable::add(std::uint64_t group, DeviceId device, Sequence sequence,
                                     int status) {
  return ran(add_.with(group, device.value, sequence, status).run());
}

base::Result<void> ReceiptTable::note(DeviceId device, Sequence sequence) {
  return expected_ ? ran(note_.with(device.value, sequence).run()) : base::Result<void>();
}

base::Result<void> ReceiptTable::note_through(DeviceId device, Sequence sequence,
                                              std::int64_t now_ms) {
  return expected_ ? ran(note_through_.with(device.value, sequence, now_ms).run())
                   : base::Result<void>();
}

base::Result<void> ReceiptTable::note_topic(DeviceId device, std::string_view topic) {
  return expected_ ? ran(note_topic_.with(device.value, topic).run()) : base::Result<void>();
}

base::Result<void> ReceiptTable::note_expired_of(DeviceId device, std::int64_t now_ms) {
  return expected_ ? ran(note_expired_of_.with(device.value, now_ms).run()) : base::Result<void>();
}

base::Result<void> ReceiptTable::note_swept(std::int64_t now_ms, std::int64_t limit) {
  return expected_ ? ran(note_swept_.with(now_ms, limit).run()) : base::Result<void>();
}

base::Result<void> ReceiptTable::note_device(Database& database, std::string_view name) {
  auto note = database.prepare(insert_from_pushes(
      std::to_string(kGone), "device = (SELECT id FROM devices WHERE name = ?1)"));
  if (!note) return base::fail(note.error());
  return note->with(name).run();
}

base::Result<std::vector<Receipt>> ReceiptTable::list(std::uint64_t group, std::uint64_t after,
                                                      std::size_t limit) {
  list_.with(group, after, static_cast<std::int64_t>(limit));
  std::vector<Receipt> found;
  for (;;) {
    const auto row = list_.step();
    if (!row) return base::fail(row.error());
    if (!*row) return found;
    found.push_back({.id = static_cast<std::uint64_t>(list_.integer(0)),
                     .device = DeviceId{static_cast<std::uint64_t>(list_.integer(1))},
                     .sequence = static_cast<Sequence>(list_.integer(2)),
                     .status = static_cast<int>(list_.integer(3))});
  }
}

base::Result<void> ReceiptTable::remove_through(std::uint64_t group, std::uint64_t id) {
  return remove_through_.with(group, id).run();
}

base::Result<std::int64_t> ReceiptTable::sweep(base::WallTime now, std::int64_t limit) {
  if (auto done = sweep_.with(to_ms(now - kReportsKept), limit).run(); !done)
    return base::fail(done.error());
  return database_->changes();
}

}  // namespace wakeline::store
