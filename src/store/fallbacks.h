// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/database.h"
#include "store/types.h"

namespace wakeline::store {

/// How a device is reached when it is gone.
enum class FallbackKind : std::uint8_t { kApns, kWebPush };

struct Fallback {
  DeviceId id{};
  std::string device{};  ///< the name
  FallbackKind kind = FallbackKind::kApns;
  std::string address{};      ///< APNs: the device token in hex; Web Push: the endpoint's URL
  std::string topic{};        ///< APNs: the app's bundle id; Web Push: empty
  Sequence sent_through = 0;  ///< pushes up to this one need it no more
  friend bool operator==(const Fallback&, const Fallback&) = default;
};

/// The last resorts, one a device at most. Each change is one durable transaction.
class Fallbacks {
 public:
  /// `database` must outlive it.
  static base::Result<Fallbacks> prepare(Database& database);

  /// Replaces the one before, and what that had not sent yet goes to the new one. Of a device that
  /// had none only pushes from now on go that way.
  /// Errors: kNotFound (the device), kStorageFull, kBusy, kStorage.
  base::Result<void> set(const Fallback& fallback);
  /// Errors: kNotFound, kStorageFull, kBusy, kStorage.
  base::Result<void> remove(std::string_view device);
  /// Only while it still has that address: a device may have registered anew meanwhile.
  base::Result<void> remove_address(DeviceId device, std::string_view address);
  base::Result<void> set_sent(DeviceId device, Sequence through);
  base::Result<std::optional<Fallback>> find(std::string_view device);
  /// Those of devices above `after` with pushes that wait beyond `sent_through`, at most `limit`.
  base::Result<std::vector<Fallback>> due(DeviceId after, std::size_t limit);

 private:
  explicit Fallbacks(Database& database) : database_(&database) {}

  Database* database_;
  Statement find_;
};

}  // namespace wakeline::store
