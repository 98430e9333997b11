// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
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
/// Bytes of the file, without its log: lines with the longest texts everywhere. At this size half
/// of the lines go.
inline constexpr std::uint64_t kLedgerBytesMax = 64 * 1'048'576;
/// Lines that wait for the next flush; a full disk costs the oldest of them, never more memory.
inline constexpr std::size_t kLedgerPendingMax = 4'096;
/// Lines of one read.
inline constexpr std::size_t kLedgerReadMax = 10'000;
/// PRAGMA user_version of the file.
inline constexpr int kLedgerVersion = 2;

struct SqliteClose {
  void operator()(sqlite3* database) const;
  void operator()(sqlite3_stmt* statement) const;
};
using Database = std::unique_ptr<sqlite3, SqliteClose>;
using Statement = std::unique_ptr<sqlite3_stmt, SqliteClose>;

/// A running host's commit waits so long for another program that holds the file: so long its apps
/// wait for it.
inline constexpr int kLedgerBusyMs = 10;

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
                                   std::uint64_t rows_max = kLedgerRowsMax,
                                   std::uint64_t bytes_max = kLedgerBytesMax);

  /// Gives the line its id, one more than the last one's, and keeps it for the next flush.
  const LedgerLine& add(LedgerLine line);
  /// Errors: kStorage, kStorageFull; the lines stay for the next try.
  base::Result<void> flush();
  bool has_pending() const { return !pending_.empty(); }
  /// Lines that were lost because the disk took none for too long.
  std::uint64_t dropped() const { return dropped_; }

 private:
  Ledger() = default;
  base::Result<void> prepare();
  base::Result<void> bring_up_to_date(std::int64_t version);
  base::Result<void> prune();
  base::Result<void> insert_pending();

  Database database_;
  Statement insert_;
  Statement prune_;
  Statement pages_;
  std::vector<LedgerLine> pending_;
  std::uint64_t next_id_ = 1;
  std::uint64_t rows_max_ = kLedgerRowsMax;
  std::uint64_t pages_max_ = 0;
  std::uint64_t dropped_ = 0;
};

/// What the ledger says of one app since some instant.
struct AppTotals {
  std::uint64_t wakes = 0;
  std::uint64_t awake_us = 0;  ///< of stretches that have ended
};

/// Reads a ledger, beside a running host or without one. One of an older version is read when its
/// host has brought it up to date.
class LedgerReader {
 public:
  /// Errors: kNotFound (no ledger in `folder`), kPermission, kStorage, kUnsupported.
  static base::Result<LedgerReader> open(const std::string& folder);

  /// The newest `count` lines (at most kLedgerReadMax), oldest first. Errors: kStorage.
  base::Result<std::vector<LedgerLine>> newest(std::size_t count);
  /// The first `count` lines with a larger id than `id`, oldest first. Errors: kStorage.
  base::Result<std::vector<LedgerLine>> after(std::uint64_t id, std::size_t count);
  /// The first `count` lines since `wall_ns` with a larger id than `id`, oldest first; of one app
  /// where `app` is not empty. Errors: kStorage.
  base::Result<std::vector<LedgerLine>> since(std::int64_t wall_ns, const std::string& app,
                                              std::uint64_t id, std::size_t count);
  /// By app. Errors: kStorage.
  base::Result<std::map<std::string, AppTotals>> totals(std::int64_t wall_ns);

 private:
  LedgerReader() = default;
  Database database_;
  Statement newest_;
  Statement after_;
  Statement since_;
  Statement totals_;
};

}  // namespace wakeline::host
