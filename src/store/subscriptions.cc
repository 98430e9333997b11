// SPDX-License-Identifier: Apache-2.0
#include "store/subscriptions.h"

#include "store/wall_ms.h"

namespace wakeline::store {

using base::ErrorCode;

namespace {

constexpr std::string_view kSubscriptionColumns =
    "SELECT s.id, d.name, s.vapid_key, s.created, s.removed IS NOT NULL OR d.id IS NULL"
    " FROM subscriptions AS s LEFT JOIN devices AS d ON d.id = s.device";

Subscription read_subscription(const Statement& row) {
  return {.id = static_cast<std::uint64_t>(row.integer(0)),
          .device = row.text(1),
          .vapid_key = row.blob(2),
          .created = from_ms(row.integer(3)),
          .removed = row.integer(4) != 0};
}

}  // namespace

base::Result<Subscriptions> Subscriptions::prepare(Database& database) {
  Subscriptions subscriptions(database);
  auto find = database.prepare(std::string(kSubscriptionColumns) + " WHERE s.capability = ?1");
  if (!find) return base::fail(find.error());
  subscriptions.find_ = std::move(*find);
  return subscriptions;
}

base::Result<std::uint64_t> Subscriptions::add(const TokenHash& capability, std::string_view device,
                                               base::BytesView vapid_key, base::WallTime now) {
  const auto there = list(device);
  if (!there) return base::fail(there.error());
  if (static_cast<std::int64_t>(there->size()) >= kSubscriptionsMax)
    return base::fail(ErrorCode::kTooLarge, "store.subscriptions");
  auto statement = database_->prepare(
      "INSERT INTO subscriptions (capability, device, vapid_key, created)"
      " SELECT ?1, id, nullif(?3, x''), ?4 FROM devices WHERE name = ?2 RETURNING id");
  if (!statement) return base::fail(statement.error());
  const auto row =
      statement->with(base::BytesView(capability), device, vapid_key, to_ms(now)).step();
  if (!row) return base::fail(row.error());
  if (!*row) return base::fail(ErrorCode::kNotFound, "store.device");
  const auto id = static_cast<std::uint64_t>(statement->integer(0));
  if (const auto end = statement->step(); !end) return base::fail(end.error());  // commits
  return id;
}

base::Result<void> Subscriptions::remove(std::uint64_t id, base::WallTime now) {
  auto old = database_->prepare("DELETE FROM subscriptions WHERE removed <= ?1");
  if (!old) return base::fail(old.error());
  if (auto ran = old->with(to_ms(now - kRemovedKept)).run(); !ran) return ran;
  auto statement =
      database_->prepare("UPDATE subscriptions SET removed = ?2 WHERE id = ?1 AND removed IS NULL");
  if (!statement) return base::fail(statement.error());
  if (auto ran = statement->with(id, to_ms(now)).run(); !ran) return ran;
  if (database_->changes() == 0) return base::fail(ErrorCode::kNotFound, "store.subscription");
  return {};
}

base::Result<std::optional<Subscription>> Subscriptions::find(const TokenHash& capability) {
  const auto row = find_.with(base::BytesView(capability)).step();
  if (!row) return base::fail(row.error());
  if (!*row) return std::nullopt;
  Subscription found = read_subscription(find_);
  find_.reset();
  return found;
}

base::Result<std::vector<Subscription>> Subscriptions::list(std::string_view device) {
  auto statement = database_->prepare(std::string(kSubscriptionColumns) +
                                      " WHERE d.name = ?1 AND s.removed IS NULL ORDER BY s.id");
  if (!statement) return base::fail(statement.error());
  statement->with(device);
  std::vector<Subscription> found;
  for (;;) {
    const auto row = statement->step();
    if (!row) return base::fail(row.error());
    if (!*row) return found;
    found.push_back(read_subscription(*statement));
  }
}

}  // namespace wakeline::store
