// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "wire/host_message.h"

struct sqlite3;
struct sqlite3_stmt;

namespace wakeline::host {

using wire::host::LedgerLine;

/// Lines kept; the oldest go first. About 100 bytes each, so some 10 MB.
inline constexpr std::uint64_t kLedgerRowsMax = 100'000;
/// Lines that wait for the next flush; a full disk costs the oldest of them, never more memory.
inline constexpr std::size_t kLedgerPendingMax = 4'096;
/// Lines of one read.
inline constexpr std::size_t kLedgerReadMax = 10'000;
/// PRAGMA user_version of the file.
inline constexpr int kLedgerVersion = 1;

struct SqliteClose {
  void operator()(sqlite3* database) const;
  void operator()(sqlite3_stmt* statement) const;
};
using Database = std::unique_ptr<sqlite3, SqliteClose>;
using Statement = std::unique_ptr<sqlite3_stmt, SqliteClose>;

/// `folder`/ledger.db.
std::string ledger_path(const std::string& folder);

/// The host's memory of what happened to every app and why: an SQLite file (WAL) with one row a
/// line. `add` touches memory alone, so it may stand near a wake; `flush` commits all that waits as
/// one transaction. What was flushed survives kill -9 of the host.
class Ledger {
 public:
  /// Opens or makes the file in `folder`, which must exist.
  /// Errors: kPermission, kStorage (no database, or broken), kUnsupported (made by a newer
  /// version), kStorageFull.
  static base::Result<Ledger> open(const std::string& folder,
                                   std::uint64_t rows_max = kLedgerRowsMax);

  /// Gives the line its id, one more than the last one's, and keeps it for the next flush.
  const LedgerLine& add(LedgerLine line);
  /// Errors: kStorage, kStorageFull; the lines stay for the next try.
  base::Result<void> flush();
  bool has_pending() const { return !pending_.empty(); }
  /// Lines that were lost because the disk took none for too long.
  std::uint64_t dropped() const { return dropped_; }

 private:
  Ledger() = default;
  base::Result<void> prepare(std::uint64_t rows_max);
  base::Result<void> insert_pending();

  Database database_;
  Statement insert_;
  Statement prune_;
  std::vector<LedgerLine> pending_;
  std::uint64_t next_id_ = 1;
  std::uint64_t rows_max_ = kLedgerRowsMax;
  std::uint64_t dropped_ = 0;
};

/// Reads a ledger, beside a running host or without one.
class LedgerReader {
 public:
  /// Errors: kNotFound (no ledger in `folder`), kPermission, kStorage, kUnsupported.
  static base::Result<LedgerReader> open(const std::string& folder);

  /// The newest `count` lines (at most kLedgerReadMax), oldest first. Errors: kStorage.
  base::Result<std::vector<LedgerLine>> newest(std::size_t count);
  /// The first `count` lines with a larger id than `id`, oldest first. Errors: kStorage.
  base::Result<std::vector<LedgerLine>> after(std::uint64_t id, std::size_t count);

 private:
  LedgerReader() = default;
  Database database_;
  Statement newest_;
  Statement after_;
};

}  // namespace wakeline::host
