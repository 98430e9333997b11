// SPDX-License-Identifier: Apache-2.0
#include "store/push_table.h"

#include <algorithm>
#include <limits>

#include "store/wall_ms.h"

namespace wakeline::store {

using base::ErrorCode;

base::Result<PushTable> PushTable::prepare(Database& database, std::uint32_t queue_max) {
  PushTable table(database, queue_max);
  const struct {
    Statement& statement;
    std::string_view sql;
  } rows[] = {
      {table.find_device_, "SELECT id, last_sequence, waiting FROM devices WHERE name = ?1"},
      {table.find_key_,
       "SELECT sequence FROM keys WHERE device = ?1 AND key = ?2 AND expires > ?3"},
      {table.add_key_,
       "INSERT OR REPLACE INTO keys (device, key, sequence, expires) VALUES (?1, ?2, ?3, ?4)"},
      {table.take_number_, "UPDATE devices SET last_sequence = ?2 WHERE id = ?1"},
      {table.add_,
       "INSERT INTO pushes (device, sequence, urgency, expires, topic, body, encoding, of_group)"
       " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"},
      {table.remove_, "DELETE FROM pushes WHERE device = ?1 AND sequence = ?2"},
      {table.remove_topic_, "DELETE FROM pushes WHERE device = ?1 AND topic = ?2"},
      {table.remove_through_, "DELETE FROM pushes WHERE device = ?1 AND sequence <= ?2"},
      {table.remove_expired_of_, "DELETE FROM pushes WHERE device = ?1 AND expires <= ?2"},
      {table.sweep_pushes_,
       "DELETE FROM pushes WHERE (device, sequence) IN"
       " (SELECT device, sequence FROM pushes WHERE expires <= ?1 LIMIT ?2)"},
      {table.sweep_keys_,
       "DELETE FROM keys WHERE (device, key) IN"
       " (SELECT device, key FROM keys WHERE expires <= ?1 LIMIT ?2)"},
      {table.find_,
       "SELECT urgency, expires, body, encoding, of_group FROM pushes"
       " WHERE device = ?1 AND sequence = ?2 AND expires > ?3"},
      {table.pending_,
       "SELECT sequence FROM pushes WHERE device = ?1 AND sequence > ?2 AND expires > ?3"
       " ORDER BY sequence LIMIT ?4"},
      {table.next_expiry_,
       "SELECT min(at) FROM (SELECT min(expires) AS at FROM pushes"
       " UNION ALL SELECT min(expires) FROM keys)"},
      {table.any_through_, "SELECT 1 FROM pushes WHERE device = ?1 AND sequence <= ?2 LIMIT 1"},
  };
  for (const auto& row : rows) {
    auto statement = database.prepare(row.sql);
    if (!statement) return base::fail(statement.error());
    row.statement = std::move(*statement);
  }
  return table;
}

base::Result<Accepted> PushTable::add(const NewPush& push) {
  const std::int64_t now = to_ms(push.accepted);
  auto row = find_device_.with(push.device).step();
  if (!row) return base::fail(row.error());
  if (!*row) return base::fail(ErrorCode::kNotFound, "store.device");
  const std::int64_t device = find_device_.integer(0);
  const std::int64_t sequence = find_device_.integer(1) + 1;
  std::int64_t waiting = find_device_.integer(2);
  find_device_.reset();
  Accepted accepted{.device = DeviceId{static_cast<std::uint64_t>(device)},
                    .sequence = static_cast<Sequence>(sequence),
                    .waits = push.expires > push.accepted};

  if (!push.idempotency_key.empty()) {
    row = find_key_.with(device, push.idempotency_key, now).step();
    if (!row) return base::fail(row.error());
    if (*row) {
      accepted.sequence = static_cast<Sequence>(find_key_.integer(0));
      accepted.repeated = true;
      accepted.waits = false;
      find_key_.reset();
      return accepted;
    }
  }
  if (!push.topic.empty()) {
    if (auto ran = remove_topic_.with(device, push.topic).run(); !ran)
      return base::fail(ran.error());
    waiting -= database_->changes();
  }
  if (accepted.waits) {
    if (auto room = make_room(device, waiting, now); !room) return base::fail(room.error());
  }
  if (auto ran = take_number_.with(device, sequence).run(); !ran) return base::fail(ran.error());
  if (accepted.waits) {
    auto ran =
        add_.with(device, sequence, static_cast<int>(push.urgency), to_ms(push.expires), push.topic,
                  base::BytesView(push.body), static_cast<int>(push.encoding), push.group)
            .run();
    if (!ran) return base::fail(ran.error());
  }
  if (!push.idempotency_key.empty()) {
    const std::int64_t until = to_ms(std::max(push.accepted, push.expires) + kIdempotencyKept);
    auto ran = add_key_.with(device, push.idempotency_key, sequence, until).run();
    if (!ran) return base::fail(ran.error());
  }
  return accepted;
}

/// A full queue is refused only when none of it has expired; nothing but that is changed then.
base::Result<void> PushTable::make_room(std::int64_t device, std::int64_t waiting,
                                        std::int64_t now) {
  if (waiting < queue_max_) return {};
  if (auto ran = remove_expired_of_.with(device, now).run(); !ran) return ran;
  if (waiting - database_->changes() < queue_max_) return {};
  return base::fail(ErrorCode::kBusy, "store.queue");
}

base::Result<void> PushTable::remove(DeviceId device, Sequence sequence) {
  return remove_.with(device.value, sequence).run();
}

base::Result<void> PushTable::remove_through(DeviceId device, Sequence sequence) {
  // A device may claim any number; the column is signed.
  const auto highest = static_cast<Sequence>(std::numeric_limits<std::int64_t>::max());
  return remove_through_.with(device.value, std::min(sequence, highest)).run();
}

base::Result<bool> PushTable::any_through(DeviceId device, Sequence sequence) {
  const auto highest = static_cast<Sequence>(std::numeric_limits<std::int64_t>::max());
  const auto row = any_through_.with(device.value, std::min(sequence, highest)).step();
  any_through_.reset();
  return row;
}

base::Result<std::int64_t> PushTable::sweep(base::WallTime now, std::int64_t limit) {
  if (auto ran = sweep_pushes_.with(to_ms(now), limit).run(); !ran) return base::fail(ran.error());
  std::int64_t swept = database_->changes();
  if (auto ran = sweep_keys_.with(to_ms(now), limit).run(); !ran) return base::fail(ran.error());
  swept += database_->changes();
  return swept;
}

base::Result<std::optional<Push>> PushTable::find(DeviceId device, Sequence sequence,
                                                  base::WallTime now) {
  const auto row = find_.with(device.value, sequence, to_ms(now)).step();
  if (!row) return base::fail(row.error());
  if (!*row) return std::nullopt;
  Push push{.sequence = sequence,
            .body = find_.blob(2),
            .urgency = static_cast<std::uint8_t>(find_.integer(0)),
            .expires = from_ms(find_.integer(1)),
            .encoding = static_cast<std::uint8_t>(find_.integer(3)),
            .group = find_.text(4)};
  find_.reset();
  return push;
}

base::Result<Pending> PushTable::pending(DeviceId device, Sequence after, std::size_t limit,
                                         base::WallTime now) {
  const auto highest = static_cast<Sequence>(std::numeric_limits<std::int64_t>::max());
  Pending found;
  pending_.with(device.value, std::min(after, highest), to_ms(now), limit + 1);
  for (;;) {
    const auto row = pending_.step();
    if (!row) return base::fail(row.error());
    if (!*row) return found;
    if (found.sequences.size() == limit) {
      found.more = true;
      pending_.reset();
      return found;
    }
    found.sequences.push_back(static_cast<Sequence>(pending_.integer(0)));
  }
}

base::Result<std::optional<base::WallTime>> PushTable::next_expiry() {
  const auto row = next_expiry_.with().step();
  if (!row) return base::fail(row.error());
  std::optional<base::WallTime> at;
  if (*row && !next_expiry_.is_null(0)) at = from_ms(next_expiry_.integer(0));
  next_expiry_.reset();
  return at;
}

}  // namespace wakeline::store
