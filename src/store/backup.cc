// SPDX-License-Identifier: Apache-2.0
#include "store/backup.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "store/database.h"
#include "store/journal_peek.h"
#include "store/push_table.h"

namespace wakeline::store {
namespace {

/// What was in the journal alone.
base::Result<void> add_recent(Database& copy, const std::vector<RecentPush>& pushes) {
  auto table = PushTable::prepare(copy, kQueueMax);
  if (!table) return base::fail(table.error());
  auto done = copy.run("BEGIN IMMEDIATE");
  for (const RecentPush& push : pushes) {
    if (!done) return done;
    done = table->pour(push.device, push.push->device, push.sequence,
                       std::span(&push, push.waits ? 1 : 0));
  }
  return done ? copy.run("COMMIT") : done;
}

base::Result<void> copy_without_epoch(const std::string& store, const std::string& to) {
  auto database = Database::open(store, Database::Mode::kBeside);
  if (!database) return base::fail(database.error());
  // Before: what goes to the tables meanwhile may come too late for the copy.
  const auto peek = peek_journal(*database, store);
  if (!peek) return base::fail(peek.error());
  auto copy = database->prepare("VACUUM INTO ?1");
  if (!copy) return base::fail(copy.error());
  if (auto ran = copy->with(to).run(); !ran) return ran;
  auto made = Database::open(to, Database::Mode::kWrite);
  if (!made) return base::fail(made.error());
  if (auto added = add_recent(*made, peek->pushes); !added) return added;
  if (auto ran = made->run("UPDATE store SET epoch = 0"); !ran) return ran;
  // Back to one file: a WAL beside it would be left behind when somebody moves it.
  return made->run("PRAGMA journal_mode = DELETE");
}

/// For its owner alone, as the store is: SQLite keeps the mode of an empty file that it fills.
base::Result<void> make_private(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return base::fail(base::os_error("store.backup", errno));
  ::close(fd);
  return {};
}

/// Of a file, or of a folder's names.
base::Result<void> sync(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return base::fail(base::os_error("store.backup", errno));
  const int result = ::fsync(fd);
  const int error = errno;
  ::close(fd);
  if (result != 0) return base::fail(base::os_error("store.backup", error));
  return {};
}

}  // namespace

base::Result<void> backup(const std::string& store, const std::string& to) {
  if (::access(to.c_str(), F_OK) == 0)
    return base::fail(base::ErrorCode::kAlreadyExists, "store.backup");
  const std::string half = to + ".part";
  ::unlink(half.c_str());  // of a backup that was cut short
  auto done = make_private(half);
  if (!done) return done;
  done = copy_without_epoch(store, half);
  if (done) done = sync(half);
  if (done && ::rename(half.c_str(), to.c_str()) != 0)
    done = base::fail(base::os_error("store.backup", errno));
  if (!done) {
    ::unlink(half.c_str());
    return done;
  }
  const auto folder = std::filesystem::path(to).parent_path();
  return sync(folder.empty() ? "." : folder.string());
}

}  // namespace wakeline::store
