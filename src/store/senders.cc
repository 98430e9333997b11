// SPDX-License-Identifier: Apache-2.0
#include "store/senders.h"

#include "store/wall_ms.h"

namespace wakeline::store {

namespace {

constexpr std::string_view kSenderColumns = "SELECT name, scopes, created, expires FROM senders";

Sender read_sender(const Statement& row) {
  Sender sender{.name = row.text(0), .scopes = row.text(1), .created = from_ms(row.integer(2))};
  if (!row.is_null(3)) sender.expires = from_ms(row.integer(3));
  return sender;
}

}  // namespace

base::Result<Senders> Senders::prepare(Database& database) {
  Senders senders(database);
  auto find = database.prepare(std::string(kSenderColumns) +
                               " WHERE token_hash = ?1 AND (expires IS NULL OR expires > ?2)");
  if (!find) return base::fail(find.error());
  senders.find_ = std::move(*find);
  return senders;
}

base::Result<void> Senders::add(const Sender& sender, const TokenHash& token_hash) {
  auto statement = database_->prepare(
      "INSERT INTO senders (name, token_hash, scopes, created, expires)"
      " VALUES (?1, ?2, ?3, ?4, nullif(?5, 0))");
  if (!statement) return base::fail(statement.error());
  return statement
      ->with(sender.name, base::BytesView(token_hash), sender.scopes, to_ms(sender.created),
             sender.expires ? to_ms(*sender.expires) : 0)
      .run();
}

base::Result<void> Senders::remove(std::string_view name) {
  auto statement = database_->prepare("DELETE FROM senders WHERE name = ?1");
  if (!statement) return base::fail(statement.error());
  if (auto ran = statement->with(name).run(); !ran) return ran;
  if (database_->changes() == 0) return base::fail(base::ErrorCode::kNotFound, "store.sender");
  return {};
}

base::Result<std::optional<Sender>> Senders::find(const TokenHash& token_hash, base::WallTime now) {
  const auto row = find_.with(base::BytesView(token_hash), to_ms(now)).step();
  if (!row) return base::fail(row.error());
  if (!*row) return std::nullopt;
  Sender sender = read_sender(find_);
  find_.reset();
  return sender;
}

base::Result<std::vector<Sender>> Senders::list() {
  auto statement = database_->prepare(std::string(kSenderColumns) + " ORDER BY name");
  if (!statement) return base::fail(statement.error());
  std::vector<Sender> found;
  for (;;) {
    const auto row = statement->step();
    if (!row) return base::fail(row.error());
    if (!*row) return found;
    found.push_back(read_sender(*statement));
  }
}

}  // namespace wakeline::store
