// SPDX-License-Identifier: Apache-2.0
#include "store/members.h"

#include <algorithm>

namespace wakeline::store {

using base::ErrorCode;

base::Result<Members> Members::prepare(Database& database) {
  Members members(database);
  auto devices = database.prepare(
      "SELECT devices.name FROM members JOIN devices ON devices.id = members.device"
      " WHERE members.kind = ?1 AND members.name = ?2 ORDER BY devices.name");
  if (!devices) return base::fail(devices.error());
  members.devices_ = std::move(*devices);
  return members;
}

base::Result<void> Members::add(const Entry& entry, std::string_view device) {
  const auto there = devices(entry.kind, entry.name);
  if (!there) return base::fail(there.error());
  if (there->size() >= kMembersMax && std::ranges::find(*there, device) == there->end())
    return base::fail(ErrorCode::kTooLarge, "store.members");
  auto statement = database_->prepare(
      "INSERT INTO members (kind, name, device) SELECT ?1, ?2, id FROM devices WHERE name = ?3"
      " ON CONFLICT DO UPDATE SET name = excluded.name");
  if (!statement) return base::fail(statement.error());
  const int kind = static_cast<int>(entry.kind);
  if (auto ran = statement->with(kind, entry.name, device).run(); !ran) return ran;
  if (database_->changes() == 0) return base::fail(ErrorCode::kNotFound, "store.device");
  return {};
}

base::Result<void> Members::remove(const Entry& entry, std::string_view device) {
  auto statement = database_->prepare(
      "DELETE FROM members WHERE kind = ?1 AND name = ?2"
      " AND device = (SELECT id FROM devices WHERE name = ?3)");
  if (!statement) return base::fail(statement.error());
  const int kind = static_cast<int>(entry.kind);
  if (auto ran = statement->with(kind, entry.name, device).run(); !ran) return ran;
  if (database_->changes() == 0) return base::fail(ErrorCode::kNotFound, "store.member");
  return {};
}

base::Result<std::vector<std::string>> Members::devices(MemberKind kind, std::string_view name) {
  std::vector<std::string> found;
  devices_.with(static_cast<int>(kind), name);
  for (;;) {
    const auto row = devices_.step();
    if (!row) return base::fail(row.error());
    if (!*row) return found;
    found.push_back(devices_.text(0));
  }
}

base::Result<std::vector<Members::Entry>> Members::of(std::string_view device) {
  auto statement = database_->prepare(
      "SELECT members.kind, members.name FROM members JOIN devices ON devices.id = members.device"
      " WHERE devices.name = ?1 ORDER BY members.kind, members.name");
  if (!statement) return base::fail(statement.error());
  statement->with(device);
  std::vector<Entry> found;
  for (;;) {
    const auto row = statement->step();
    if (!row) return base::fail(row.error());
    if (!*row) return found;
    found.push_back(
        {statement->integer(0) == 0 ? MemberKind::kUser : MemberKind::kGroup, statement->text(1)});
  }
}

}  // namespace wakeline::store
