// SPDX-License-Identifier: Apache-2.0
#include "store/database.h"

#include <fcntl.h>
#include <sqlite3.h>

#include <cerrno>
#include <cstdarg>
#include <tuple>

#include "base/check.h"
#include "base/log.h"
#include "io/unique_fd.h"
#include "store/schema.h"

namespace wakeline::store {

using base::ErrorCode;

namespace {

/// How long a writer waits for another process' transaction (`add-device` beside the server).
constexpr int kBusyMs = 5'000;
constexpr const char* kWriterPragmas =
    "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF";

std::unexpected<base::Error> failed(sqlite3* handle, const char* where) {
  const int os = handle == nullptr ? 0 : sqlite3_system_errno(handle);
  switch (handle == nullptr ? SQLITE_NOMEM : sqlite3_errcode(handle)) {
    case SQLITE_FULL:
      return base::fail(ErrorCode::kStorageFull, where, os);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return base::fail(ErrorCode::kBusy, where);
    case SQLITE_CONSTRAINT:
      return base::fail(ErrorCode::kAlreadyExists, where);
    case SQLITE_NOTADB:
      return base::fail(ErrorCode::kUnsupported, where);
    case SQLITE_PERM:
    case SQLITE_READONLY:
      return base::fail(ErrorCode::kPermission, where, os);
    case SQLITE_CANTOPEN:
      return base::fail(os == 0 ? ErrorCode::kStorage : base::os_error(where, os).code, where, os);
    default:
      // A write that hits the end of the disk or of a quota is an IO error to SQLite.
      return base::fail(
          os == ENOSPC || os == EDQUOT ? ErrorCode::kStorageFull : ErrorCode::kStorage, where, os);
  }
}

/// In the place of SQLite's fcntl(2). The locks that it takes on the shared memory of a WAL all go
/// through one descriptor of the process; on the database file, each connection that comes second
/// only counts. Both is as good for locks of an open file as for those of a process.
int fcntl_by_open_file(int fd, int command, ...) {
  va_list list;
  va_start(list, command);
  int result = 0;
  if (command == F_SETLK || command == F_SETLKW || command == F_GETLK) {
    auto* lock = va_arg(list, struct flock*);
    lock->l_pid = 0;
    const int other = command == F_SETLK    ? F_OFD_SETLK
                      : command == F_SETLKW ? F_OFD_SETLKW
                                            : F_OFD_GETLK;
    result = ::fcntl(fd, other, lock);
  } else {
    result = ::fcntl(fd, command, va_arg(list, int));
  }
  va_end(list);
  return result;
}

}  // namespace

base::Result<void> lock_by_open_file() {
  sqlite3_vfs* vfs = sqlite3_vfs_find(nullptr);
  if (vfs == nullptr || vfs->iVersion < 3 ||
      vfs->xSetSystemCall(vfs, "fcntl",
                          reinterpret_cast<sqlite3_syscall_ptr>(&fcntl_by_open_file)) != SQLITE_OK)
    return base::fail(ErrorCode::kUnsupported, "store.locks");
  return {};
}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

void Statement::reset() {
  sqlite3_reset(handle_.get());
  sqlite3_clear_bindings(handle_.get());
}

base::Result<bool> Statement::step() {
  const int result = sqlite3_step(handle_.get());
  if (result == SQLITE_ROW) return true;
  if (result != SQLITE_DONE) {
    const auto error = failed(sqlite3_db_handle(handle_.get()), "store.step");
    sqlite3_reset(handle_.get());
    return error;
  }
  sqlite3_reset(handle_.get());
  return false;
}

base::Result<void> Statement::run() {
  const auto row = step();
  if (!row) return base::fail(row.error());
  WL_CHECK(!*row);
  return {};
}

void Statement::bind(int index, std::int64_t value) {
  WL_CHECK(sqlite3_bind_int64(handle_.get(), index, value) == SQLITE_OK);
}

void Statement::bind(int index, std::string_view value) {
  WL_CHECK((value.empty() ? sqlite3_bind_null(handle_.get(), index)
                          : sqlite3_bind_text(handle_.get(), index, value.data(),
                                              static_cast<int>(value.size()), SQLITE_TRANSIENT)) ==
           SQLITE_OK);
}

void Statement::bind(int index, base::BytesView value) {
  WL_CHECK((value.empty() ? sqlite3_bind_zeroblob(handle_.get(), index, 0)
                          : sqlite3_bind_blob(handle_.get(), index, value.data(),
                                              static_cast<int>(value.size()), SQLITE_TRANSIENT)) ==
           SQLITE_OK);
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(handle_.get(), column);
}

std::string Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(handle_.get(), column));
  return data == nullptr
             ? std::string()
             : std::string(data,
                           static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column)));
}

base::Bytes Statement::blob(int column) const {
  const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(handle_.get(), column));
  return data == nullptr ? base::Bytes()
                         : base::Bytes(data, data + sqlite3_column_bytes(handle_.get(), column));
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL;
}

void Database::Close::operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }

base::Result<Database> Database::open(const std::string& path, Mode mode) {
  // SQLite would let everybody read what is pushed; it says itself what is wrong here.
  if (mode == Mode::kWrite) {
    std::ignore = io::UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  }
  sqlite3* handle = nullptr;
  // The reader opens for writing as well: whoever is first must be able to recover the WAL.
  const int flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (mode == Mode::kWrite ? SQLITE_OPEN_CREATE : 0);
  const int result = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  Database database;
  database.handle_.reset(handle);
  if (result != SQLITE_OK) return failed(handle, "store.open");
  sqlite3_busy_timeout(handle, kBusyMs);
  if (auto prepared = database.prepare_as(mode); !prepared) return base::fail(prepared.error());
  return database;
}

base::Result<void> Database::prepare_as(Mode mode) {
  if (mode != Mode::kWrite) {
    if (auto checked = check_file(kSchemaVersion); !checked) return checked;
  }
  switch (mode) {
    case Mode::kRead:
      // Each thread reads over connections of its own, and the kernel keeps the pages for all: a
      // cache of 2 MB for each would be most of what the sleeping devices cost.
      return run("PRAGMA query_only = ON; PRAGMA cache_size = -256");
    case Mode::kBeside:
      if (auto ran = run("PRAGMA wal_autocheckpoint = 0"); !ran) return ran;
      return run(kWriterPragmas);
    case Mode::kWrite:
      break;
  }
  if (auto ran = run("PRAGMA journal_mode = WAL"); !ran) return ran;
  if (auto ran = run(kWriterPragmas); !ran) return ran;
  return make_tables();
}

base::Result<std::int64_t> Database::pragma(const char* sql) {
  auto statement = prepare(sql);
  if (!statement) return base::fail(statement.error());
  const auto row = statement->step();
  if (!row) return base::fail(row.error());
  return statement->integer(0);
}

base::Result<void> Database::check_file(std::int64_t oldest) {
  const auto application = pragma("PRAGMA application_id");
  const auto version = pragma("PRAGMA user_version");
  if (!application) return base::fail(application.error());
  if (!version) return base::fail(version.error());
  if (*application != kApplicationId)
    return base::fail(ErrorCode::kUnsupported, "store.application_id");
  if (*version < oldest) return base::fail(ErrorCode::kUnsupported, kOlderSchema);
  if (*version > kSchemaVersion) return base::fail(ErrorCode::kUnsupported, "store.schema");
  return {};
}

/// Each step takes the file from the version before it to its own.
base::Result<void> Database::bring_up_to_date() {
  auto version = pragma("PRAGMA user_version");
  while (version && *version < kSchemaVersion) {
    if (auto ran = run(kSchemaSteps[*version - kOldestSchema]); !ran) return ran;
    version = pragma("PRAGMA user_version");
  }
  if (!version) return base::fail(version.error());
  // A backup carries no epoch: what is put back starts the numbers anew (see backup.h).
  return run("UPDATE store SET epoch = (random() & 0x7fffffffffffffff) | 1 WHERE epoch = 0");
}

base::Result<void> Database::make_tables() {
  // Within one transaction: two first starts at a time see all of it or nothing.
  if (auto began = run("BEGIN IMMEDIATE"); !began) return began;
  const auto tables = pragma("SELECT count(*) FROM sqlite_schema");
  if (!tables) return base::fail(tables.error());
  auto done = *tables == 0 ? run(kSchema) : check_file(kOldestSchema);
  if (done) done = bring_up_to_date();
  if (done) done = run("COMMIT");
  if (!done && in_transaction()) {
    if (const auto rolled_back = run("ROLLBACK"); !rolled_back)
      base::log(base::LogLevel::kError, "store", "{}", base::to_string(rolled_back.error()));
  }
  return done;
}

base::Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* handle = nullptr;
  if (sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &handle, nullptr) != SQLITE_OK)
    return failed(handle_.get(), "store.prepare");
  Statement statement;
  statement.handle_.reset(handle);
  return statement;
}

base::Result<void> Database::run(const char* sql) {
  if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK)
    return failed(handle_.get(), "store.run");
  return {};
}

base::Result<std::uint64_t> Database::free_bytes() {
  const auto pages = pragma("PRAGMA freelist_count");
  if (!pages) return base::fail(pages.error());
  const auto size = pragma("PRAGMA page_size");
  if (!size) return base::fail(size.error());
  return static_cast<std::uint64_t>(*pages) * static_cast<std::uint64_t>(*size);
}

std::int64_t Database::changes() const { return sqlite3_changes64(handle_.get()); }

bool Database::in_transaction() const { return sqlite3_get_autocommit(handle_.get()) == 0; }

void Database::leave_log() {
  log_pages_ = std::make_unique<std::uint32_t>(0);
  sqlite3_wal_hook(
      handle_.get(),
      [](void* pages, sqlite3*, const char*, int count) {
        *static_cast<std::uint32_t*>(pages) = static_cast<std::uint32_t>(count);
        return SQLITE_OK;
      },
      log_pages_.get());
}

base::Result<std::uint32_t> Database::checkpoint() {
  int in_log = 0;
  int copied = 0;
  if (sqlite3_wal_checkpoint_v2(handle_.get(), "main", SQLITE_CHECKPOINT_PASSIVE, &in_log,
                                &copied) != SQLITE_OK)
    return failed(handle_.get(), "store.checkpoint");
  return in_log > copied ? static_cast<std::uint32_t>(in_log - copied) : 0;
}

base::Result<void> Database::sync_file() {
  sqlite3_file* file = nullptr;
  if (sqlite3_file_control(handle_.get(), "main", SQLITE_FCNTL_FILE_POINTER,
                           static_cast<void*>(&file)) != SQLITE_OK ||
      file == nullptr || file->pMethods == nullptr ||
      file->pMethods->xSync(file, SQLITE_SYNC_NORMAL) != SQLITE_OK)
    return failed(handle_.get(), "store.sync");
  return {};
}

base::Result<void> Database::limit_pages(std::uint32_t pages) {
  if (pages == 0) return {};
  const std::string sql = "PRAGMA max_page_count = " + std::to_string(pages);
  return run(sql.c_str());
}

}  // namespace wakeline::store
