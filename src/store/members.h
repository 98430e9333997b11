// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "store/database.h"
#include "store/types.h"

namespace wakeline::store {

/// Devices of one user, or of one group. Origin: a push to it is a row for each of them, and its
/// answer names them all.
inline constexpr std::size_t kMembersMax = 1'000;

enum class MemberKind : std::uint8_t { kUser, kGroup };

/// Which devices belong to a user or a group. Each change is one durable transaction.
class Members {
 public:
  struct Entry {
    MemberKind kind = MemberKind::kUser;
    std::string name{};
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  /// `database` must outlive it.
  static base::Result<Members> prepare(Database& database);

  /// Again is no error. Errors: kNotFound (the device), kTooLarge (kMembersMax), kStorageFull,
  ///                            kBusy, kStorage.
  base::Result<void> add(const Entry& entry, std::string_view device);
  /// Errors: kNotFound, kStorageFull, kBusy, kStorage.
  base::Result<void> remove(const Entry& entry, std::string_view device);
  /// Names of devices, by name.
  base::Result<std::vector<std::string>> devices(MemberKind kind, std::string_view name);
  /// What a device belongs to: users, then groups, by name.
  base::Result<std::vector<Entry>> of(std::string_view device);

 private:
  explicit Members(Database& database) : database_(&database) {}

  Database* database_;
  Statement devices_;
};

}  // namespace wakeline::store
