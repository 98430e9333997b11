// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "store/fallbacks.h"
#include "store/members.h"
#include "store/senders.h"
#include "store/subscriptions.h"

namespace wakeline::store {

/// Who may send to whom, and how else a device is reached: the tables around the queue, over one
/// connection, for one thread at a time. Works on the file of a running server as well.
class Directory {
 public:
  /// Errors: those of Database::open.
  static base::Result<std::unique_ptr<Directory>> open(const std::string& path,
                                                       Database::Mode mode);
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  Senders& senders() { return *senders_; }
  Members& members() { return *members_; }
  Subscriptions& subscriptions() { return *subscriptions_; }
  Fallbacks& fallbacks() { return *fallbacks_; }
  struct Totals {
    std::uint64_t devices = 0;
    std::uint64_t waiting = 0;  ///< pushes that are not acknowledged
  };
  /// Reads the whole table of devices.
  base::Result<Totals> totals();
  /// 32 bytes that only this store has. Errors: kStorage.
  base::Result<base::Bytes> secret(std::string_view name);

 private:
  explicit Directory(Database database) : database_(std::move(database)) {}

  Database database_;
  std::optional<Senders> senders_;
  std::optional<Members> members_;
  std::optional<Subscriptions> subscriptions_;
  std::optional<Fallbacks> fallbacks_;
};

}  // namespace wakeline::store
