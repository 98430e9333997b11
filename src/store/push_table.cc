// SPDX-License-Identifier: Apache-2.0
#include "store/push_table.h"

#include <algorithm>
#include <limits>

#include "store/wall_ms.h"

namespace wakeline::store {

using base::ErrorCode;

namespace {

/// In `keys`, a push has its key and its fingerprint with a blank between. What older versions
/// wrote is the key alone: no blank is in it, so it is never found, and goes when it expires.
std::string key_of(const NewPush& push) { return push.idempotency_key + ' ' + push.fingerprint; }

}  // namespace

base::Result<PushTable> PushTable::prepare(Database& database, std::uint32_t queue_max) {
  PushTable table(database, queue_max);
  const struct {
    Statement& statement;
    std::string_view sql;
  } rows[] = {
      {table.find_device_,
       "SELECT id, last_sequence, waiting, lowest FROM devices JOIN queues ON device = id"
       " WHERE name = ?1"},
      {table.find_key_,
       "SELECT sequence, key = ?4 FROM keys"
       " WHERE device = ?1 AND key >= ?2 AND key < ?3 AND expires > ?5"
       " ORDER BY expires DESC LIMIT 1"},
      {table.add_key_,
       "INSERT OR REPLACE INTO keys (device, key, sequence, expires) VALUES (?1, ?2, ?3, ?4)"},
      {table.take_number_,
       "UPDATE queues SET last_sequence = ?2, waiting = waiting + ?3 WHERE device = ?1"},
      {table.add_,
       "INSERT INTO pushes (device, sequence, urgency, expires, topic, body, encoding, of_group,"
       " held, receipt) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, nullif(?10, 0))"},
      {table.remove_, "DELETE FROM pushes WHERE device = ?1 AND sequence = ?2"},
      {table.find_topic_, "SELECT 1 FROM pushes WHERE device = ?1 AND topic = ?2"},
      {table.remove_topic_, "DELETE FROM pushes WHERE device = ?1 AND topic = ?2"},
      {table.remove_through_,
       "DELETE FROM pushes WHERE device = ?1 AND sequence <= ?2 AND held = 0"},
      {table.withdraw_, "DELETE FROM pushes WHERE device = ?1 AND (sequence = ?2 OR held_as = ?2)"},
      {table.find_accepted_,
       "SELECT 1 FROM pushes"
       " WHERE device = ?1 AND (sequence = ?2 OR held_as = ?2) AND expires > ?3"},
      {table.remove_expired_of_, "DELETE FROM pushes WHERE device = ?1 AND expires <= ?2"},
      {table.sweep_pushes_,
       "DELETE FROM pushes WHERE (device, sequence) IN"
       " (SELECT device, sequence FROM pushes WHERE expires <= ?1"
       " ORDER BY expires, device, sequence LIMIT ?2)"},
      {table.sweep_keys_,
       "DELETE FROM keys WHERE (device, key) IN"
       " (SELECT device, key FROM keys WHERE expires <= ?1 LIMIT ?2)"},
      {table.find_,
       "SELECT urgency, expires, body, encoding, of_group FROM pushes"
       " WHERE device = ?1 AND sequence = ?2 AND expires > ?3"},
      {table.pending_,
       "SELECT sequence FROM pushes"
       " WHERE device = ?1 AND sequence > ?2 AND expires > ?3 AND held = 0 ORDER BY sequence LIMIT "
       "?4"},
      {table.next_expiry_,
       "SELECT min(at) FROM (SELECT min(expires) AS at FROM pushes"
       " UNION ALL SELECT min(expires) FROM keys)"},
      {table.any_through_,
       "SELECT 1 FROM pushes WHERE device = ?1 AND sequence <= ?2 AND held = 0 LIMIT 1"},
      {table.add_known_,
       "INSERT OR IGNORE INTO pushes (device, sequence, urgency, expires, body, encoding, of_group)"
       " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"},
      {table.raise_,
       "UPDATE queues SET last_sequence = max(last_sequence, ?2), waiting = waiting + ?3"
       " WHERE device = ?1"},
      {table.raise_named_,
       "UPDATE queues SET last_sequence = max(last_sequence, ?2)"
       " WHERE device = (SELECT id FROM devices WHERE name = ?1)"},
      {table.raise_floor_, "UPDATE store SET sequence_floor = max(sequence_floor, ?1)"},
  };
  for (const auto& row : rows) {
    auto statement = database.prepare(row.sql);
    if (!statement) return base::fail(statement.error());
    row.statement = std::move(*statement);
  }
  auto receipts = ReceiptTable::prepare(database);
  if (!receipts) return base::fail(receipts.error());
  table.receipts_.emplace(std::move(*receipts));
  return table;
}

base::Result<std::optional<Target>> PushTable::find_target(std::string_view name) {
  const auto row = find_device_.with(name).step();
  if (!row) return base::fail(row.error());
  if (!*row) return std::nullopt;
  const Target target{.device = DeviceId{static_cast<std::uint64_t>(find_device_.integer(0))},
                      .last = static_cast<Sequence>(find_device_.integer(1)),
                      .waiting = find_device_.integer(2),
                      .lowest = static_cast<std::uint8_t>(find_device_.integer(3))};
  find_device_.reset();
  return target;
}

base::Result<Accepted> PushTable::add(const NewPush& push) {
  const std::int64_t now = to_ms(push.accepted);
  const auto target = find_target(push.device);
  if (!target) return base::fail(target.error());
  if (!*target) return base::fail(ErrorCode::kNotFound, "store.device");
  const auto device = static_cast<std::int64_t>((*target)->device.value);
  const auto sequence = static_cast<std::int64_t>((*target)->last + 1);
  Accepted accepted{.device = (*target)->device,
                    .sequence = static_cast<Sequence>(sequence),
                    .waits = push.expires > push.accepted,
                    .held = push.urgency < (*target)->lowest};

  if (!push.idempotency_key.empty()) {
    const auto first = find_key(device, push, now);
    if (!first) return base::fail(first.error());
    if (*first) {
      accepted.sequence = **first;
      accepted.repeated = true;
      accepted.waits = false;
      return accepted;
    }
  }
  if (push.receipt != 0) {
    if (auto room = receipts_->check_room(push.receipt); !room) return base::fail(room.error());
  }
  if (accepted.waits) {
    if (auto room = make_room(**target, push.topic, now); !room) return base::fail(room.error());
  }
  // Not before it is sure that the push is taken.
  if (!push.topic.empty()) {
    if (auto noted = receipts_->note_topic(accepted.device, push.topic); !noted)
      return base::fail(noted.error());
    if (auto ran = remove_topic_.with(device, push.topic).run(); !ran)
      return base::fail(ran.error());
  }
  if (auto ran = take_number_.with(device, sequence, accepted.waits ? 1 : 0).run(); !ran)
    return base::fail(ran.error());
  if (accepted.waits) {
    auto ran = add_.with(device, sequence, static_cast<int>(push.urgency), to_ms(push.expires),
                         push.topic, base::BytesView(push.body), static_cast<int>(push.encoding),
                         push.group, accepted.held ? 1 : 0, push.receipt)
                   .run();
    if (!ran) return base::fail(ran.error());
  }
  if (push.receipt != 0) {
    receipts_->expect();
    if (!accepted.waits) {  // nobody is there to take it
      auto added =
          receipts_->add(push.receipt, accepted.device, accepted.sequence, ReceiptTable::kGone);
      if (!added) return base::fail(added.error());
    }
  }
  if (!push.idempotency_key.empty()) {
    const std::int64_t until = to_ms(std::max(push.accepted, push.expires) + kIdempotencyKept);
    auto ran = add_key_.with(device, key_of(push), sequence, until).run();
    if (!ran) return base::fail(ran.error());
  }
  return accepted;
}

/// The number of the push that its key stands for. Errors: kKeyTaken, kStorage.
base::Result<std::optional<Sequence>> PushTable::find_key(std::int64_t device, const NewPush& push,
                                                          std::int64_t now) {
  const std::string& key = push.idempotency_key;
  const auto row = find_key_.with(device, key + ' ', key + '!', key_of(push), now).step();
  if (!row) return base::fail(row.error());
  if (!*row) return std::nullopt;
  const auto first = static_cast<Sequence>(find_key_.integer(0));
  const bool same = find_key_.integer(1) != 0;
  find_key_.reset();
  if (!same) return base::fail(kKeyTaken);
  return first;
}

/// For one more push; one that replaces another needs no room, also where the queue is longer than
/// it may be now. A full queue is refused only when none of it has expired; nothing but that is
/// changed then.
base::Result<void> PushTable::make_room(const Target& target, std::string_view topic,
                                        std::int64_t now) {
  if (target.waiting < queue_max_) return {};
  if (!topic.empty()) {
    const auto replaces = find_topic_.with(target.device.value, topic).step();
    find_topic_.reset();
    if (!replaces) return base::fail(replaces.error());
    if (*replaces) return {};
  }
  if (auto noted = receipts_->note_expired_of(target.device, now); !noted) return noted;
  if (auto ran = remove_expired_of_.with(target.device.value, now).run(); !ran) return ran;
  if (target.waiting - database_->changes() < queue_max_) return {};
  return base::fail(ErrorCode::kBusy, "store.queue");
}

base::Result<void> PushTable::pour(DeviceId device, std::string_view name, Sequence last,
                                   std::span<const RecentPush> pushes) {
  if (auto ran = raise_.with(device.value, last, 0).run(); !ran) return ran;
  if (database_->changes() == 0) {
    if (auto ran = raise_named_.with(name, last).run(); !ran) return ran;
    return raise_floor_.with(last).run();
  }
  std::int64_t poured = 0;
  for (const RecentPush& recent : pushes) {
    const NewPush& push = *recent.push;
    auto ran = add_known_
                   .with(device.value, recent.sequence, static_cast<int>(push.urgency),
                         to_ms(push.expires), base::BytesView(push.body),
                         static_cast<int>(push.encoding), push.group)
                   .run();
    if (!ran) return ran;
    poured += database_->changes();
  }
  return poured == 0 ? base::Result<void>() : raise_.with(device.value, last, poured).run();
}

base::Result<void> PushTable::remove(DeviceId device, Sequence sequence) {
  if (auto noted = receipts_->note(device, sequence); !noted) return noted;
  return remove_.with(device.value, sequence).run();
}

base::Result<void> PushTable::remove_through(DeviceId device, Sequence sequence,
                                             base::WallTime now) {
  // A device may claim any number; the column is signed.
  const auto highest = static_cast<Sequence>(std::numeric_limits<std::int64_t>::max());
  if (auto noted = receipts_->note_through(device, std::min(sequence, highest), to_ms(now)); !noted)
    return noted;
  return remove_through_.with(device.value, std::min(sequence, highest)).run();
}

base::Result<bool> PushTable::withdraw(DeviceId device, Sequence sequence) {
  if (auto ran = withdraw_.with(device.value, sequence).run(); !ran) return base::fail(ran.error());
  return database_->changes() > 0;
}

base::Result<bool> PushTable::find_accepted(DeviceId device, Sequence sequence,
                                            base::WallTime now) {
  const auto row = find_accepted_.with(device.value, sequence, to_ms(now)).step();
  find_accepted_.reset();
  return row;
}

base::Result<LowestSet> PushTable::set_lowest(DeviceId device, std::uint8_t lowest,
                                              std::optional<Sequence> hold_after) {
  const auto highest = static_cast<Sequence>(std::numeric_limits<std::int64_t>::max());
  const int level = static_cast<int>(lowest);
  auto set = database_->prepare(
      "UPDATE devices SET lowest = ?2, withheld_through = CASE WHEN lowest > 0 AND ?2 = 0"
      " THEN (SELECT last_sequence FROM queues WHERE device = id) ELSE withheld_through END"
      " WHERE id = ?1"
      " RETURNING (SELECT last_sequence FROM queues WHERE device = id), withheld_through");
  if (!set) return base::fail(set.error());
  auto row = set->with(device.value, level).step();
  if (!row) return base::fail(row.error());
  if (!*row) return base::fail(ErrorCode::kNotFound, "store.device");
  std::int64_t last = set->integer(0);
  const auto withheld_through = static_cast<Sequence>(set->integer(1));
  if (row = set->step(); !row) return base::fail(row.error());
  if (hold_after) {
    auto hold = database_->prepare(
        "UPDATE pushes SET held = 1 WHERE device = ?1 AND urgency < ?2 AND sequence > ?3");
    if (!hold) return base::fail(hold.error());
    if (auto ran = hold->with(device.value, level, std::min(*hold_after, highest)).run(); !ran)
      return base::fail(ran.error());
  }
  auto find = database_->prepare(
      "SELECT sequence FROM pushes WHERE device = ?1 AND held = 1 AND urgency >= ?2"
      " ORDER BY sequence");
  if (!find) return base::fail(find.error());
  std::vector<std::int64_t> released;
  for (find->with(device.value, level);;) {
    row = find->step();
    if (!row) return base::fail(row.error());
    if (!*row) break;
    released.push_back(find->integer(0));
  }
  if (released.empty()) return LowestSet{static_cast<Sequence>(last), withheld_through};
  auto move = database_->prepare(
      "UPDATE pushes SET held = 0, held_as = coalesce(held_as, sequence), sequence = ?3"
      " WHERE device = ?1 AND sequence = ?2");
  if (!move) return base::fail(move.error());
  for (const std::int64_t sequence : released) {
    if (auto ran = move->with(device.value, sequence, ++last).run(); !ran)
      return base::fail(ran.error());
  }
  if (auto ran = take_number_.with(device.value, last, 0).run(); !ran)
    return base::fail(ran.error());
  return LowestSet{static_cast<Sequence>(last), withheld_through};
}

base::Result<bool> PushTable::any_through(DeviceId device, Sequence sequence) {
  const auto highest = static_cast<Sequence>(std::numeric_limits<std::int64_t>::max());
  const auto row = any_through_.with(device.value, std::min(sequence, highest)).step();
  any_through_.reset();
  return row;
}

base::Result<std::int64_t> PushTable::sweep(base::WallTime now, std::int64_t limit) {
  if (auto noted = receipts_->note_swept(to_ms(now), limit); !noted)
    return base::fail(noted.error());
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
