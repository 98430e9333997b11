// SPDX-License-Identifier: Apache-2.0
#include "host/ledger.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <tuple>

#include "io/unique_fd.h"

namespace wakeline::host {
namespace {

using base::ErrorCode;
using base::Result;

/// A reader may hold the file for a moment while the host opens it.
constexpr int kBusyMs = 2'000;
/// Lines for which there is room without an allocation.
constexpr std::size_t kRoomKept = 64;

base::Error storage_error(int status, const char* where) {
  switch (status & 0xff) {
    case SQLITE_FULL:
      return {ErrorCode::kStorageFull, where, 0};
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      return {ErrorCode::kPermission, where, 0};
    default:
      return {ErrorCode::kStorage, where, 0};
  }
}

Result<void> execute(sqlite3* database, const char* sql, const char* where) {
  const int status = sqlite3_exec(database, sql, nullptr, nullptr, nullptr);
  if (status != SQLITE_OK) return base::fail(storage_error(status, where));
  return {};
}

Result<Statement> prepare_statement(sqlite3* database, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  const int status =
      sqlite3_prepare_v3(database, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (status != SQLITE_OK) return base::fail(storage_error(status, "ledger.prepare"));
  return Statement(statement);
}

/// The one number that `sql` selects; NULL is 0.
Result<std::int64_t> select_number(sqlite3* database, const char* sql) {
  auto statement = prepare_statement(database, sql);
  if (!statement) return base::fail(statement.error());
  const int status = sqlite3_step(statement->get());
  if (status != SQLITE_ROW) return base::fail(storage_error(status, "ledger.select"));
  return sqlite3_column_int64(statement->get(), 0);
}

Result<Database> open_database(const std::string& path, int flags) {
  sqlite3* handle = nullptr;
  const int status = sqlite3_open_v2(path.c_str(), &handle, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  Database database(handle);
  if (status != SQLITE_OK) {
    const int os = handle == nullptr ? 0 : sqlite3_system_errno(handle);
    if (os != 0) return base::fail(base::os_error("ledger.open", os));
    return base::fail(storage_error(status, "ledger.open"));
  }
  sqlite3_busy_timeout(handle, kBusyMs);
  return database;
}

void bind_text(sqlite3_stmt* statement, int index, const std::string& text) {
  sqlite3_bind_text(statement, index, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
}

std::string column_text(sqlite3_stmt* statement, int index) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, index));
  return text == nullptr
             ? std::string()
             : std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(statement, index)));
}

Result<std::vector<LedgerLine>> read_lines(sqlite3_stmt* statement) {
  std::vector<LedgerLine> lines;
  int status = sqlite3_step(statement);
  for (; status == SQLITE_ROW; status = sqlite3_step(statement)) {
    LedgerLine line;
    line.id = static_cast<std::uint64_t>(sqlite3_column_int64(statement, 0));
    line.wall_ns = sqlite3_column_int64(statement, 1);
    line.app = column_text(statement, 2);
    line.event = column_text(statement, 3);
    line.reason = column_text(statement, 4);
    line.detail = column_text(statement, 5);
    line.latency_ns = sqlite3_column_int64(statement, 6);
    line.cpu_us = static_cast<std::uint64_t>(sqlite3_column_int64(statement, 7));
    line.socket = column_text(statement, 8);
    line.awake_us = static_cast<std::uint64_t>(sqlite3_column_int64(statement, 9));
    line.used_us = static_cast<std::uint64_t>(sqlite3_column_int64(statement, 10));
    lines.push_back(std::move(line));
  }
  sqlite3_reset(statement);
  if (status != SQLITE_DONE) return base::fail(storage_error(status, "ledger.read"));
  return lines;
}

/// What each version added to the one before; a new file goes through all of them.
constexpr const char* kSteps[kLedgerVersion] = {
    "CREATE TABLE line (id INTEGER PRIMARY KEY, wall_ns INTEGER NOT NULL, app TEXT NOT NULL, "
    "event TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL, "
    "latency_ns INTEGER NOT NULL, cpu_us INTEGER NOT NULL)",
    "ALTER TABLE line ADD COLUMN socket TEXT NOT NULL DEFAULT ''; "
    "ALTER TABLE line ADD COLUMN awake_us INTEGER NOT NULL DEFAULT 0; "
    "ALTER TABLE line ADD COLUMN used_us INTEGER NOT NULL DEFAULT 0"};

/// As `read_lines` and `insert_pending` count them.
constexpr const char* kColumns =
    "id, wall_ns, app, event, reason, detail, latency_ns, cpu_us, socket, awake_us, used_us";

Result<Statement> prepare_select(sqlite3* database, std::string_view rest) {
  return prepare_statement(database, fmt::format("SELECT {} FROM line {}", kColumns, rest).c_str());
}

}  // namespace

void SqliteClose::operator()(sqlite3* database) const { sqlite3_close_v2(database); }
void SqliteClose::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

std::string ledger_path(const std::string& folder) { return folder + "/ledger.db"; }

Result<Ledger> Ledger::open(const std::string& folder, std::uint64_t rows_max,
                            std::uint64_t bytes_max) {
  const std::string path = ledger_path(folder);
  // SQLite would let everybody read what the user's apps do; it says itself what is wrong here.
  std::ignore = io::UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  auto database = open_database(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  if (!database) return base::fail(database.error());
  Ledger ledger;
  ledger.database_ = std::move(*database);
  ledger.rows_max_ = rows_max;
  const auto page = select_number(ledger.database_.get(), "PRAGMA page_size");
  if (!page) return base::fail(page.error());
  ledger.pages_max_ = bytes_max / static_cast<std::uint64_t>(*page);
  if (auto prepared = ledger.prepare(); !prepared) return base::fail(prepared.error());
  sqlite3_busy_timeout(ledger.database_.get(), kLedgerBusyMs);
  return ledger;
}

/// Each step is a transaction of its own: a crash leaves one version or the next.
Result<void> Ledger::bring_up_to_date(std::int64_t version) {
  for (; version < kLedgerVersion; ++version) {
    const std::string step = std::string("BEGIN IMMEDIATE; ") + kSteps[version] +
                             "; PRAGMA user_version=" + std::to_string(version + 1) + "; COMMIT";
    if (auto done = execute(database_.get(), step.c_str(), "ledger.create"); !done) {
      sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
      return done;
    }
  }
  return {};
}

Result<void> Ledger::prepare() {
  sqlite3* database = database_.get();
  const auto version = select_number(database, "PRAGMA user_version");
  if (!version) return base::fail(version.error());
  if (*version > kLedgerVersion) return base::fail(ErrorCode::kUnsupported, "ledger.version");
  // NORMAL with WAL: no fsync in a flush. The death of the host loses nothing that was flushed, a
  // power cut at most the last lines, and neither breaks the file.
  // Lines are added at one end and fall off at the other: a cache of 128 KiB, not SQLite's 2 MiB.
  if (auto mode = execute(database,
                          "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
                          "PRAGMA cache_size=-128",
                          "ledger.journal_mode");
      !mode) {
    return mode;
  }
  if (auto current = bring_up_to_date(*version); !current) return current;
  const auto last = select_number(database, "SELECT max(id) FROM line");
  if (!last) return base::fail(last.error());
  next_id_ = static_cast<std::uint64_t>(*last) + 1;

  auto insert = prepare_statement(
      database,
      fmt::format("INSERT INTO line ({}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                  kColumns)
          .c_str());
  if (!insert) return base::fail(insert.error());
  insert_ = std::move(*insert);
  auto prune = prepare_statement(database, "DELETE FROM line WHERE id <= ?1");
  if (!prune) return base::fail(prune.error());
  prune_ = std::move(*prune);
  // Pages in use: what was deleted is used again, and the file does not shrink by it.
  auto pages = prepare_statement(database,
                                 "SELECT (SELECT page_count FROM pragma_page_count) - "
                                 "(SELECT freelist_count FROM pragma_freelist_count)");
  if (!pages) return base::fail(pages.error());
  pages_ = std::move(*pages);
  return {};
}

const LedgerLine& Ledger::add(LedgerLine line) {
  if (pending_.size() >= kLedgerPendingMax) {
    pending_.erase(pending_.begin());
    ++dropped_;
  }
  line.id = next_id_++;
  pending_.push_back(std::move(line));
  return pending_.back();
}

Result<void> Ledger::flush() {
  if (pending_.empty()) return {};
  if (auto begun = execute(database_.get(), "BEGIN IMMEDIATE", "ledger.begin"); !begun) {
    return begun;
  }
  auto done = insert_pending();
  if (done) done = execute(database_.get(), "COMMIT", "ledger.commit");
  if (!done) {
    // When this fails too, SQLite has already rolled back by itself.
    sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    return done;
  }
  pending_.clear();
  // The room of a burst, as at the boot of a thousand apps, is not kept.
  if (pending_.capacity() > kRoomKept) std::vector<LedgerLine>().swap(pending_);
  return {};
}

Result<void> Ledger::insert_pending() {
  for (const LedgerLine& line : pending_) {
    sqlite3_stmt* insert = insert_.get();
    sqlite3_bind_int64(insert, 1, static_cast<sqlite3_int64>(line.id));
    sqlite3_bind_int64(insert, 2, line.wall_ns);
    bind_text(insert, 3, line.app);
    bind_text(insert, 4, line.event);
    bind_text(insert, 5, line.reason);
    bind_text(insert, 6, line.detail);
    sqlite3_bind_int64(insert, 7, line.latency_ns);
    sqlite3_bind_int64(insert, 8, static_cast<sqlite3_int64>(line.cpu_us));
    bind_text(insert, 9, line.socket);
    sqlite3_bind_int64(insert, 10, static_cast<sqlite3_int64>(line.awake_us));
    sqlite3_bind_int64(insert, 11, static_cast<sqlite3_int64>(line.used_us));
    const int status = sqlite3_step(insert);
    sqlite3_reset(insert);
    if (status != SQLITE_DONE) return base::fail(storage_error(status, "ledger.insert"));
  }
  return prune();
}

/// Bounded in lines and in bytes.
Result<void> Ledger::prune() {
  std::uint64_t keep = rows_max_;
  int status = sqlite3_step(pages_.get());
  const auto pages = static_cast<std::uint64_t>(sqlite3_column_int64(pages_.get(), 0));
  sqlite3_reset(pages_.get());
  if (status != SQLITE_ROW) return base::fail(storage_error(status, "ledger.pages"));
  if (pages >= pages_max_) {
    const auto first = select_number(database_.get(), "SELECT min(id) FROM line");
    if (!first) return base::fail(first.error());
    keep = std::min(keep, (next_id_ - static_cast<std::uint64_t>(*first)) / 2);
  }
  if (next_id_ - 1 <= keep) return {};
  sqlite3_bind_int64(prune_.get(), 1, static_cast<sqlite3_int64>(next_id_ - 1 - keep));
  status = sqlite3_step(prune_.get());
  sqlite3_reset(prune_.get());
  if (status != SQLITE_DONE) return base::fail(storage_error(status, "ledger.prune"));
  return {};
}

Result<LedgerReader> LedgerReader::open(const std::string& folder) {
  auto database = open_database(ledger_path(folder), SQLITE_OPEN_READONLY);
  if (!database) return base::fail(database.error());
  const auto version = select_number(database->get(), "PRAGMA user_version");
  if (!version) return base::fail(version.error());
  if (*version != kLedgerVersion) return base::fail(ErrorCode::kUnsupported, "ledger.version");
  LedgerReader reader;
  reader.database_ = std::move(*database);
  sqlite3* const file = reader.database_.get();
  auto newest =
      prepare_select(file, "WHERE id > (SELECT ifnull(max(id), 0) FROM line) - ?1 ORDER BY id");
  if (!newest) return base::fail(newest.error());
  reader.newest_ = std::move(*newest);
  auto after = prepare_select(file, "WHERE id > ?1 ORDER BY id LIMIT ?2");
  if (!after) return base::fail(after.error());
  reader.after_ = std::move(*after);
  auto since = prepare_select(
      file, "WHERE id > ?1 AND wall_ns >= ?2 AND (?3 = '' OR app = ?3) ORDER BY id LIMIT ?4");
  if (!since) return base::fail(since.error());
  reader.since_ = std::move(*since);
  auto totals = prepare_statement(
      file,
      "SELECT app, sum(event = 'wake'), sum(awake_us) FROM line WHERE wall_ns >= ?1 GROUP BY app");
  if (!totals) return base::fail(totals.error());
  reader.totals_ = std::move(*totals);
  return reader;
}

Result<std::vector<LedgerLine>> LedgerReader::newest(std::size_t count) {
  sqlite3_bind_int64(newest_.get(), 1, static_cast<sqlite3_int64>(std::min(count, kLedgerReadMax)));
  return read_lines(newest_.get());
}

Result<std::vector<LedgerLine>> LedgerReader::after(std::uint64_t id, std::size_t count) {
  sqlite3_bind_int64(after_.get(), 1, static_cast<sqlite3_int64>(id));
  sqlite3_bind_int64(after_.get(), 2, static_cast<sqlite3_int64>(std::min(count, kLedgerReadMax)));
  return read_lines(after_.get());
}

Result<std::vector<LedgerLine>> LedgerReader::since(std::int64_t wall_ns, const std::string& app,
                                                    std::uint64_t id, std::size_t count) {
  sqlite3_bind_int64(since_.get(), 1, static_cast<sqlite3_int64>(id));
  sqlite3_bind_int64(since_.get(), 2, wall_ns);
  bind_text(since_.get(), 3, app);
  sqlite3_bind_int64(since_.get(), 4, static_cast<sqlite3_int64>(std::min(count, kLedgerReadMax)));
  return read_lines(since_.get());
}

Result<std::map<std::string, AppTotals>> LedgerReader::totals(std::int64_t wall_ns) {
  sqlite3_bind_int64(totals_.get(), 1, wall_ns);
  std::map<std::string, AppTotals> totals;
  int status = sqlite3_step(totals_.get());
  for (; status == SQLITE_ROW; status = sqlite3_step(totals_.get())) {
    AppTotals& app = totals[column_text(totals_.get(), 0)];
    app.wakes = static_cast<std::uint64_t>(sqlite3_column_int64(totals_.get(), 1));
    app.awake_us = static_cast<std::uint64_t>(sqlite3_column_int64(totals_.get(), 2));
  }
  sqlite3_reset(totals_.get());
  if (status != SQLITE_DONE) return base::fail(storage_error(status, "ledger.totals"));
  return totals;
}

}  // namespace wakeline::host
