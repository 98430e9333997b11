// SPDX-License-Identifier: Apache-2.0
#include "store/fallbacks.h"

namespace wakeline::store {

using base::ErrorCode;

namespace {

constexpr std::string_view kFallbackColumns =
    "SELECT f.device, d.name, f.kind, f.address, f.topic, f.sent_through"
    " FROM fallbacks AS f JOIN devices AS d ON d.id = f.device"
    " JOIN queues AS q ON q.device = f.device";

Fallback read_fallback(const Statement& row) {
  return {.id = DeviceId{static_cast<std::uint64_t>(row.integer(0))},
          .device = row.text(1),
          .kind = row.integer(2) == 0 ? FallbackKind::kApns : FallbackKind::kWebPush,
          .address = row.text(3),
          .topic = row.text(4),
          .sent_through = static_cast<Sequence>(row.integer(5))};
}

}  // namespace

base::Result<Fallbacks> Fallbacks::prepare(Database& database) {
  Fallbacks fallbacks(database);
  auto find = database.prepare(std::string(kFallbackColumns) + " WHERE d.name = ?1");
  if (!find) return base::fail(find.error());
  fallbacks.find_ = std::move(*find);
  return fallbacks;
}

base::Result<void> Fallbacks::set(const Fallback& fallback) {
  auto statement = database_->prepare(
      "INSERT INTO fallbacks (device, kind, address, topic, sent_through)"
      " SELECT id, ?2, ?3, ?4, last_sequence FROM devices JOIN queues ON device = id"
      " WHERE name = ?1"
      " ON CONFLICT (device) DO UPDATE SET kind = excluded.kind, address = excluded.address,"
      " topic = excluded.topic");
  if (!statement) return base::fail(statement.error());
  const int kind = static_cast<int>(fallback.kind);
  if (auto ran = statement->with(fallback.device, kind, fallback.address, fallback.topic).run();
      !ran)
    return ran;
  if (database_->changes() == 0) return base::fail(ErrorCode::kNotFound, "store.device");
  return {};
}

base::Result<void> Fallbacks::remove(std::string_view device) {
  auto statement = database_->prepare(
      "DELETE FROM fallbacks WHERE device = (SELECT id FROM devices WHERE name = ?1)");
  if (!statement) return base::fail(statement.error());
  if (auto ran = statement->with(device).run(); !ran) return ran;
  if (database_->changes() == 0) return base::fail(ErrorCode::kNotFound, "store.fallback");
  return {};
}

base::Result<void> Fallbacks::remove_address(DeviceId device, std::string_view address) {
  auto statement = database_->prepare("DELETE FROM fallbacks WHERE device = ?1 AND address = ?2");
  if (!statement) return base::fail(statement.error());
  return statement->with(device.value, address).run();
}

base::Result<void> Fallbacks::set_sent(DeviceId device, Sequence through) {
  auto statement = database_->prepare(
      "UPDATE fallbacks SET sent_through = max(sent_through, ?2) WHERE device = ?1");
  if (!statement) return base::fail(statement.error());
  return statement->with(device.value, through).run();
}

base::Result<std::optional<Fallback>> Fallbacks::find(std::string_view device) {
  const auto row = find_.with(device).step();
  if (!row) return base::fail(row.error());
  if (!*row) return std::nullopt;
  Fallback found = read_fallback(find_);
  find_.reset();
  return found;
}

base::Result<std::vector<Fallback>> Fallbacks::due(DeviceId after, std::size_t limit) {
  auto statement = database_->prepare(std::string(kFallbackColumns) +
                                      " WHERE f.device > ?1 AND q.waiting > 0"
                                      " AND q.last_sequence > f.sent_through"
                                      " ORDER BY f.device LIMIT ?2");
  if (!statement) return base::fail(statement.error());
  statement->with(after.value, static_cast<std::uint64_t>(limit));
  std::vector<Fallback> found;
  for (;;) {
    const auto row = statement->step();
    if (!row) return base::fail(row.error());
    if (!*row) return found;
    found.push_back(read_fallback(*statement));
  }
}

}  // namespace wakeline::store
