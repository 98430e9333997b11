// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/database.h"
#include "store/types.h"

namespace wakeline::store {

/// An app server's token, without the token.
struct Sender {
  std::string name{};
  std::string scopes{};  ///< words with blanks between; what they permit is the server's matter
  base::WallTime created{};
  std::optional<base::WallTime> expires{};
  friend bool operator==(const Sender&, const Sender&) = default;
};

/// The tokens of app servers. Each change is one durable transaction.
class Senders {
 public:
  /// `database` must outlive it.
  static base::Result<Senders> prepare(Database& database);

  /// Errors: kAlreadyExists (the name), kStorageFull, kBusy, kStorage.
  base::Result<void> add(const Sender& sender, const TokenHash& token_hash);
  /// Errors: kNotFound, kStorageFull, kBusy, kStorage.
  base::Result<void> remove(std::string_view name);
  /// Nothing for an unknown token and for one that has expired at `now`.
  base::Result<std::optional<Sender>> find(const TokenHash& token_hash, base::WallTime now);
  /// By name.
  base::Result<std::vector<Sender>> list();

 private:
  explicit Senders(Database& database) : database_(&database) {}

  Database* database_;
  Statement find_;
};

}  // namespace wakeline::store
