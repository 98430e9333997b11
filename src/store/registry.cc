// SPDX-License-Identifier: Apache-2.0
#include "store/registry.h"

#include <algorithm>
#include <map>

#include "base/log.h"
#include "store/journal_peek.h"
#include "store/receipt_table.h"
#include "store/wall_ms.h"

namespace wakeline::store {

using base::ErrorCode;

namespace {

constexpr std::string_view kDeviceColumns =
    "SELECT id, name, token_hash, created, waiting, rights, lowest, withheld_through"
    " FROM devices JOIN queues ON device = id";

Device read_device(const Statement& row) {
  Device device{.id = DeviceId{static_cast<std::uint64_t>(row.integer(0))},
                .name = row.text(1),
                .created = from_ms(row.integer(3)),
                .waiting = static_cast<std::uint64_t>(row.integer(4)),
                .rights = static_cast<std::uint8_t>(row.integer(5)),
                .lowest = static_cast<std::uint8_t>(row.integer(6)),
                .withheld_through = static_cast<Sequence>(row.integer(7))};
  // A hash of another length stays zero and fits no token.
  if (const base::Bytes hash = row.blob(2); hash.size() == device.token_hash.size())
    std::ranges::copy(hash, device.token_hash.begin());
  return device;
}

/// All that `work` does, or nothing.
template <class Work>
base::Result<void> in_transaction(Database& database, Work work) {
  auto done = database.run("BEGIN IMMEDIATE");
  if (done) done = work();
  if (done) done = database.run("COMMIT");
  if (!done && database.in_transaction()) {
    if (const auto rolled_back = database.run("ROLLBACK"); !rolled_back)
      base::log(base::LogLevel::kError, "store", "{}", base::to_string(rolled_back.error()));
  }
  return done;
}

}  // namespace

base::Result<Registry> Registry::open(const std::string& path, Database::Mode mode) {
  auto database = Database::open(path, mode);
  if (!database) return base::fail(database.error());
  Registry registry(std::move(*database), path);
  if (auto prepared = registry.prepare(); !prepared) return base::fail(prepared.error());
  return registry;
}

base::Result<void> Registry::prepare() {
  auto by_name = database_.prepare(std::string(kDeviceColumns) + " WHERE name = ?1");
  if (!by_name) return base::fail(by_name.error());
  auto by_hash = database_.prepare("SELECT name FROM senders WHERE token_hash = ?1");
  if (!by_hash) return base::fail(by_hash.error());
  auto epoch = database_.prepare("SELECT epoch FROM store");
  if (!epoch) return base::fail(epoch.error());
  const auto row = epoch->step();
  if (!row) return base::fail(row.error());
  if (!*row || epoch->integer(0) == 0) return base::fail(ErrorCode::kStorage, "store.epoch");
  epoch_ = static_cast<std::uint64_t>(epoch->integer(0));
  find_device_ = std::move(*by_name);
  find_sender_ = std::move(*by_hash);
  return {};
}

base::Result<DeviceId> Registry::add_device(std::string_view name, const TokenHash& token_hash,
                                            base::WallTime now,
                                            std::span<const Members::Entry> of) {
  DeviceId id{};
  const auto done = in_transaction(database_, [&]() -> base::Result<void> {
    const auto added = add_row(name, token_hash, now);
    if (!added) return base::fail(added.error());
    id = *added;
    auto members = Members::prepare(database_);
    if (!members) return base::fail(members.error());
    for (const Members::Entry& entry : of) {
      if (auto joined = members->add(entry, name); !joined) return joined;
    }
    return {};
  });
  if (!done) return base::fail(done.error());
  return id;
}

base::Result<DeviceId> Registry::add_row(std::string_view name, const TokenHash& token_hash,
                                         base::WallTime now) {
  auto statement = database_.prepare(
      "INSERT INTO devices (name, token_hash, created) VALUES (?1, ?2, ?3) RETURNING id");
  if (!statement) return base::fail(statement.error());
  const auto row = statement->with(name, base::BytesView(token_hash), to_ms(now)).step();
  if (!row) return base::fail(row.error());
  const DeviceId id{static_cast<std::uint64_t>(statement->integer(0))};
  const auto end = statement->step();
  if (!end) return base::fail(end.error());
  return id;
}

/// With all that waits for it; who asked for receipts of that is told in the same transaction.
base::Result<void> Registry::remove_device(std::string_view name) {
  return in_transaction(database_, [&] {
    auto done = ReceiptTable::note_device(database_, name);
    return done ? remove_row(name) : done;
  });
}

base::Result<void> Registry::remove_row(std::string_view name) {
  auto statement = database_.prepare("DELETE FROM devices WHERE name = ?1");
  if (!statement) return base::fail(statement.error());
  if (auto ran = statement->with(name).run(); !ran) return ran;
  if (database_.changes() == 0) return base::fail(ErrorCode::kNotFound, "store.remove_device");
  return {};
}

base::Result<std::optional<Device>> Registry::find_device(std::string_view name) {
  const auto row = find_device_.with(name).step();
  if (!row) return base::fail(row.error());
  if (!*row) return std::nullopt;
  Device device = read_device(find_device_);
  find_device_.reset();
  return device;
}

base::Result<std::vector<Device>> Registry::devices() {
  // Where the journal goes to the tables meanwhile, it is there twice: the next look is right.
  for (int look = 0; look < kJournalLooksMax; ++look) {
    const auto peek = peek_journal(database_, path_);
    if (!peek) return base::fail(peek.error());
    auto found = rows();
    if (!found) return found;
    const auto key = journal_key(database_);
    if (!key) return base::fail(key.error());
    if (*key != peek->key) continue;
    std::map<DeviceId, std::uint64_t> recent;
    for (const RecentPush& push : peek->pushes)
      if (push.waits) ++recent[push.device];
    for (Device& device : *found) device.waiting += recent[device.id];
    return found;
  }
  return base::fail(ErrorCode::kBusy, "store.devices");
}

base::Result<std::vector<Device>> Registry::rows() {
  auto statement = database_.prepare(std::string(kDeviceColumns) + " ORDER BY name");
  if (!statement) return base::fail(statement.error());
  std::vector<Device> found;
  for (;;) {
    const auto row = statement->step();
    if (!row) return base::fail(row.error());
    if (!*row) return found;
    found.push_back(read_device(*statement));
  }
}

base::Result<void> Registry::set_rights(std::string_view device, std::uint8_t rights) {
  auto statement = database_.prepare("UPDATE devices SET rights = ?2 WHERE name = ?1");
  if (!statement) return base::fail(statement.error());
  if (auto ran = statement->with(device, static_cast<int>(rights)).run(); !ran) return ran;
  if (database_.changes() == 0) return base::fail(ErrorCode::kNotFound, "store.set_rights");
  return {};
}

base::Result<void> Registry::permit_group(std::string_view device, std::string_view group,
                                          bool permit) {
  const auto row = find_device(device);
  if (!row) return base::fail(row.error());
  if (!*row) return base::fail(ErrorCode::kNotFound, "store.permit_group");
  const auto change = [&](std::string_view sql) -> base::Result<void> {
    auto statement = database_.prepare(sql);
    if (!statement) return base::fail(statement.error());
    return statement->with((*row)->id.value, group).run();
  };
  if (permit) return change("INSERT OR IGNORE INTO may_join (device, name) VALUES (?1, ?2)");
  return in_transaction(database_, [&] {
    auto done = change("DELETE FROM may_join WHERE device = ?1 AND name = ?2");
    // Also where it could not have joined by itself: an operator had put it there.
    return done ? change("DELETE FROM members WHERE kind = 1 AND device = ?1 AND name = ?2") : done;
  });
}

base::Result<std::vector<std::string>> Registry::texts(Statement& statement) {
  std::vector<std::string> found;
  for (;;) {
    const auto row = statement.step();
    if (!row) return base::fail(row.error());
    if (!*row) return found;
    found.push_back(statement.text(0));
  }
}

base::Result<std::vector<std::string>> Registry::permitted_groups(DeviceId device) {
  auto statement = database_.prepare("SELECT name FROM may_join WHERE device = ?1 ORDER BY name");
  if (!statement) return base::fail(statement.error());
  return texts(statement->with(device.value));
}

base::Result<void> Registry::add_sender(std::string_view name, const TokenHash& token_hash,
                                        base::WallTime now) {
  auto statement =
      database_.prepare("INSERT INTO senders (name, token_hash, created) VALUES (?1, ?2, ?3)");
  if (!statement) return base::fail(statement.error());
  return statement->with(name, base::BytesView(token_hash), to_ms(now)).run();
}

base::Result<std::optional<std::string>> Registry::find_sender(const TokenHash& token_hash) {
  const auto row = find_sender_.with(base::BytesView(token_hash)).step();
  if (!row) return base::fail(row.error());
  if (!*row) return std::nullopt;
  std::string name = find_sender_.text(0);
  find_sender_.reset();
  return name;
}

base::Result<bool> Registry::has_senders() {
  auto statement = database_.prepare("SELECT 1 FROM senders LIMIT 1");
  if (!statement) return base::fail(statement.error());
  return statement->step();
}

}  // namespace wakeline::store
