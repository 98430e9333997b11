// SPDX-License-Identifier: Apache-2.0
#include "store/report_table.h"

#include "store/members.h"
#include "store/wall_ms.h"

namespace wakeline::store {

using base::ErrorCode;

namespace {

/// They lie beside those of pushes, which are visible ASCII: none of those begins with a space.
std::string key_of(const Report& report) { return ' ' + report.key; }

}  // namespace

base::Result<ReportTable> ReportTable::prepare(Database& database) {
  ReportTable table(database);
  const struct {
    Statement& statement;
    std::string_view sql;
  } rows[] = {
      {table.find_key_, "SELECT sequence FROM keys WHERE device = ?1 AND key = ?2"},
      {table.add_key_,
       "INSERT OR REPLACE INTO keys (device, key, sequence, expires) VALUES (?1, ?2, ?3, ?4)"},
      {table.trim_keys_,
       "DELETE FROM keys WHERE device = ?1 AND key >= ' ' AND key < '!' AND sequence <="
       " (SELECT sequence FROM keys WHERE device = ?1 AND key >= ' ' AND key < '!'"
       "  ORDER BY sequence DESC LIMIT 1 OFFSET ?2)"},
      {table.count_,
       "SELECT (SELECT count(*) FROM reports WHERE device = ?1) FROM devices WHERE id = ?1"},
      {table.add_,
       "INSERT INTO reports (device, kind, accepted, content_type, correlation, body)"
       " VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id"},
      {table.list_,
       "SELECT reports.id, device, devices.name, kind, accepted, content_type, correlation, body"
       " FROM reports JOIN devices ON devices.id = reports.device"
       " WHERE reports.id > ?1 AND (?2 IS NULL OR devices.name = ?2)"
       " ORDER BY reports.id LIMIT ?3"},
      {table.remove_through_, "DELETE FROM reports WHERE id <= ?1"},
      {table.sweep_,
       "DELETE FROM reports WHERE id IN"
       " (SELECT id FROM reports WHERE accepted <= ?1 LIMIT ?2)"},
      {table.may_join_,
       "SELECT 1 FROM may_join WHERE device = ?1 AND name = ?2"
       " UNION SELECT 1 FROM members WHERE kind = 1 AND device = ?1 AND name = ?2"},
      {table.is_member_, "SELECT 1 FROM members WHERE kind = 1 AND name = ?2 AND device = ?1"},
      {table.join_,
       "INSERT INTO members (kind, name, device) SELECT 1, ?2, ?1"
       " WHERE (SELECT count(*) FROM members WHERE kind = 1 AND name = ?2) < ?3"},
      {table.leave_, "DELETE FROM members WHERE kind = 1 AND name = ?2 AND device = ?1"},
      {table.leave_all_,
       "DELETE FROM members WHERE kind = 1 AND device = ?1"
       " AND name IN (SELECT name FROM may_join WHERE device = ?1)"},
      {table.in_any_,
       "SELECT 1 FROM members JOIN may_join USING (device, name)"
       " WHERE kind = 1 AND device = ?1 LIMIT 1"},
  };
  for (const auto& row : rows) {
    auto statement = database.prepare(row.sql);
    if (!statement) return base::fail(statement.error());
    row.statement = std::move(*statement);
  }
  return table;
}

base::Result<std::uint64_t> ReportTable::add(const Report& report) {
  if (!report.key.empty()) {
    const auto known = find_key_.with(report.device.value, key_of(report)).step();
    if (!known) return base::fail(known.error());
    if (*known) {
      const auto first = static_cast<std::uint64_t>(find_key_.integer(0));
      find_key_.reset();
      return first;
    }
  }
  auto row = count_.with(report.device.value).step();
  if (!row) return base::fail(row.error());
  if (!*row) return base::fail(ErrorCode::kNotFound, "store.device");
  const std::int64_t waiting = count_.integer(0);
  count_.reset();
  if (waiting >= kReportsMax) return base::fail(ErrorCode::kBusy, "store.reports");
  row = add_.with(report.device.value, static_cast<int>(report.kind), to_ms(report.accepted),
                  report.content_type, base::BytesView(report.correlation),
                  base::BytesView(report.body))
            .step();
  if (!row) return base::fail(row.error());
  const auto id = static_cast<std::uint64_t>(add_.integer(0));
  add_.reset();
  if (!report.key.empty()) {
    if (auto remembered = remember(report, id); !remembered) return base::fail(remembered.error());
  }
  return id;
}

base::Result<void> ReportTable::remember(const Report& report, std::uint64_t id) {
  const std::int64_t until = to_ms(report.accepted + kReportKeysKept);
  if (auto ran = add_key_.with(report.device.value, key_of(report), id, until).run(); !ran)
    return ran;
  return trim_keys_.with(report.device.value, kReportKeysMax).run();
}

base::Result<std::vector<Report>> ReportTable::list(std::uint64_t after, std::string_view device,
                                                    std::size_t limit) {
  std::vector<Report> found;
  list_.with(after, device, limit);
  for (;;) {
    const auto row = list_.step();
    if (!row) return base::fail(row.error());
    if (!*row) return found;
    found.push_back({.id = static_cast<std::uint64_t>(list_.integer(0)),
                     .device = DeviceId{static_cast<std::uint64_t>(list_.integer(1))},
                     .device_name = list_.text(2),
                     .kind = static_cast<std::uint8_t>(list_.integer(3)),
                     .accepted = from_ms(list_.integer(4)),
                     .content_type = list_.text(5),
                     .correlation = list_.blob(6),
                     .body = list_.blob(7)});
  }
}

base::Result<std::int64_t> ReportTable::remove_through(std::uint64_t id) {
  if (auto ran = remove_through_.with(id).run(); !ran) return base::fail(ran.error());
  return database_->changes();
}

base::Result<std::int64_t> ReportTable::sweep(base::WallTime now, std::int64_t limit) {
  if (auto ran = sweep_.with(to_ms(now - kReportsKept), limit).run(); !ran)
    return base::fail(ran.error());
  return database_->changes();
}

base::Result<bool> ReportTable::join(DeviceId device, std::string_view group) {
  const auto row = may_join_.with(device.value, group).step();
  if (!row || !*row) return row;
  may_join_.reset();
  const auto member = is_member_.with(device.value, group).step();
  is_member_.reset();
  if (!member || *member) return member;
  if (auto ran = join_.with(device.value, group, kMembersMax).run(); !ran)
    return base::fail(ran.error());
  if (database_->changes() == 0) return base::fail(ErrorCode::kTooLarge, "store.members");
  return true;
}

base::Result<bool> ReportTable::leave(DeviceId device, std::string_view group) {
  if (auto ran = leave_.with(device.value, group).run(); !ran) return base::fail(ran.error());
  return database_->changes() > 0;
}

base::Result<void> ReportTable::leave_all(DeviceId device) {
  return leave_all_.with(device.value).run();
}

base::Result<bool> ReportTable::in_any_group(DeviceId device) {
  const auto row = in_any_.with(device.value).step();
  in_any_.reset();
  return row;
}

}  // namespace wakeline::store
