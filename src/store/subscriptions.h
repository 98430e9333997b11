// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/database.h"
#include "store/types.h"

namespace wakeline::store {

/// Web Push endpoints of one device; a further one is refused. Origin: one an app and account.
inline constexpr std::int64_t kSubscriptionsMax = 100;
/// How long a removed endpoint is told from one that never was (410 and 404).
inline constexpr base::Duration kRemovedKept = std::chrono::hours(24 * 90);

/// An endpoint that app servers push to. Its address is a secret, of which only a hash is kept.
struct Subscription {
  std::uint64_t id = 0;
  std::string device{};  ///< the name; empty: the device is gone
  base::Bytes
      vapid_key{};  ///< only who signs with this key may push; empty: whoever has the address
  base::WallTime created{};
  bool removed = false;
  friend bool operator==(const Subscription&, const Subscription&) = default;
};

/// Each change is one durable transaction.
class Subscriptions {
 public:
  /// `database` must outlive it.
  static base::Result<Subscriptions> prepare(Database& database);

  /// Returns: its id. Errors: kNotFound (the device), kTooLarge (kSubscriptionsMax), kStorageFull,
  ///                          kBusy, kStorage.
  base::Result<std::uint64_t> add(const TokenHash& capability, std::string_view device,
                                  base::BytesView vapid_key, base::WallTime now);
  /// Forgets those that were removed long ago, too.
  /// Errors: kNotFound (also when it is removed already), kStorageFull, kBusy, kStorage.
  base::Result<void> remove(std::uint64_t id, base::WallTime now);
  base::Result<std::optional<Subscription>> find(const TokenHash& capability);
  /// Those of a device that are not removed, by id.
  base::Result<std::vector<Subscription>> list(std::string_view device);

 private:
  explicit Subscriptions(Database& database) : database_(&database) {}

  Database* database_;
  Statement find_;
};

}  // namespace wakeline::store
