// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace wakeline::store {

/// A prepared statement, used again and again by one thread.
class Statement {
 public:
  /// Starts over with these values for ?1, ?2, …; they are copied.
  template <class... Values>
  Statement& with(const Values&... values) {
    reset();
    int index = 0;
    (bind(++index, values), ...);
    return *this;
  }
  /// Returns: true when a row is there to read; false at the end, and then the statement is reset.
  /// Errors:  kStorageFull, kBusy (another process writes), kAlreadyExists (a unique key),
  ///          kStorage.
  base::Result<bool> step();
  /// Steps to the end, for statements without rows.
  base::Result<void> run();
  void reset();

  std::int64_t integer(int column) const;
  std::string text(int column) const;
  base::Bytes blob(int column) const;
  bool is_null(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };

  void bind(int index, std::int64_t value);
  void bind(int index, std::uint64_t value) { bind(index, static_cast<std::int64_t>(value)); }
  void bind(int index, int value) { bind(index, static_cast<std::int64_t>(value)); }
  void bind(int index, std::string_view value);  ///< empty: NULL
  void bind(int index, const std::string& value) { bind(index, std::string_view(value)); }
  void bind(int index, base::BytesView value);

  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

/// From now on SQLite locks by open file and not by process (F_OFD_SETLK): its connections may be
/// used by threads with file tables of their own, which are several owners of locks to the kernel.
/// Call it before the first file is opened. Errors: kUnsupported.
base::Result<void> lock_by_open_file();

/// `where` of the error that a file has the tables of an older version.
inline constexpr const char* kOlderSchema = "store.schema.older";

/// One connection to an SQLite file, used by one thread at a time.
class Database {
 public:
  enum class Mode { kWrite, kBeside, kRead };

  /// kWrite makes the file (mode 0600), in WAL mode with a sync at every commit, and its tables;
  /// those of an older version are brought up to date. It is for whoever has the store to itself.
  /// kBeside writes to a file as it is, also beside the server of another process: it changes no
  /// tables, and copies nothing from the log (see `checkpoint`).
  /// Errors: kUnsupported (a file of another program or version), kPermission, kStorageFull,
  ///         kStorage.
  static base::Result<Database> open(const std::string& path, Mode mode);

  base::Result<Statement> prepare(std::string_view sql);
  base::Result<void> run(const char* sql);
  /// Bytes of the file that hold nothing, and that the next rows take before the file grows.
  base::Result<std::uint64_t> free_bytes();
  /// Rows that the last INSERT, UPDATE or DELETE changed itself.
  std::int64_t changes() const;
  /// Whether BEGIN has not been ended yet; some errors end it on their own.
  bool in_transaction() const;
  /// Lets the file grow to that many pages of 4 KiB and no further; 0: as far as the disk goes.
  base::Result<void> limit_pages(std::uint32_t pages);

  /// From now on a commit of this connection copies nothing from the log to the file, however long
  /// the log is: somebody calls `checkpoint`.
  void leave_log();
  /// Pages in the log after this connection's last commit; after `leave_log` alone.
  std::uint32_t log_pages() const { return log_pages_ ? *log_pages_ : 0; }
  /// Copies the log to the file as far as no reader needs what is there, beside readers and a
  /// writer. Only when all of it is there does it sync the file, and is the log begun anew with the
  /// next commit. Never two at a time, nor one while a commit may begin the log anew: SQLite before
  /// 3.51.3 may lose pages there (sqlite.org/wal.html, "The WAL-Reset Bug").
  /// Returns: pages that are left.
  base::Result<std::uint32_t> checkpoint();
  /// Syncs the file, not the log.
  base::Result<void> sync_file();

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };

  base::Result<void> prepare_as(Mode mode);
  base::Result<void> check_file(std::int64_t oldest);
  base::Result<void> make_tables();
  base::Result<void> bring_up_to_date();
  base::Result<std::int64_t> pragma(const char* sql);

  std::unique_ptr<std::uint32_t> log_pages_;  ///< SQLite has its address
  std::unique_ptr<sqlite3, Close> handle_;
};

}  // namespace wakeline::store
