// SPDX-License-Identifier: Apache-2.0
#include "store/directory.h"

namespace wakeline::store {

base::Result<std::unique_ptr<Directory>> Directory::open(const std::string& path,
                                                         Database::Mode mode) {
  auto database = Database::open(path, mode);
  if (!database) return base::fail(database.error());
  std::unique_ptr<Directory> directory(new Directory(std::move(*database)));
  auto senders = Senders::prepare(directory->database_);
  if (!senders) return base::fail(senders.error());
  auto members = Members::prepare(directory->database_);
  if (!members) return base::fail(members.error());
  auto subscriptions = Subscriptions::prepare(directory->database_);
  if (!subscriptions) return base::fail(subscriptions.error());
  auto fallbacks = Fallbacks::prepare(directory->database_);
  if (!fallbacks) return base::fail(fallbacks.error());
  directory->senders_.emplace(std::move(*senders));
  directory->members_.emplace(std::move(*members));
  directory->subscriptions_.emplace(std::move(*subscriptions));
  directory->fallbacks_.emplace(std::move(*fallbacks));
  return directory;
}

base::Result<base::Bytes> Directory::secret(std::string_view name) {
  auto statement = database_.prepare("SELECT value FROM secrets WHERE name = ?1");
  if (!statement) return base::fail(statement.error());
  const auto row = statement->with(name).step();
  if (!row) return base::fail(row.error());
  if (!*row) return base::fail(base::ErrorCode::kStorage, "store.secret");
  return statement->blob(0);
}

base::Result<Directory::Totals> Directory::totals() {
  auto statement = database_.prepare("SELECT count(*), coalesce(sum(waiting), 0) FROM queues");
  if (!statement) return base::fail(statement.error());
  const auto row = statement->step();
  if (!row) return base::fail(row.error());
  return Totals{.devices = static_cast<std::uint64_t>(statement->integer(0)),
                .waiting = static_cast<std::uint64_t>(statement->integer(1))};
}

}  // namespace wakeline::store
