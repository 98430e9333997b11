// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "store/database.h"
#include "store/journal.h"
#include "store/receipt_table.h"
#include "store/types.h"

namespace wakeline::store {

/// The idempotency key of a push stands for one with another fingerprint.
inline constexpr base::Error kKeyTaken{base::ErrorCode::kAlreadyExists, "store.key"};

/// A device as who sends to it must know it.
struct Target {
  DeviceId device{};
  Sequence last = 0;  ///< number that it has used
  std::int64_t waiting = 0;
  std::uint8_t lowest = 0;  ///< urgency that it takes
};

/// The statements on pushes over one connection. Changes belong to the caller's transaction; after
/// an error other than kNotFound, kBusy and kKeyTaken it must be rolled back.
class PushTable {
 public:
  /// `database` must outlive the table.
  static base::Result<PushTable> prepare(Database& database, std::uint32_t queue_max);

  /// Errors: kNotFound (no such device), kBusy (its queue is full), kKeyTaken, kStorageFull,
  /// kStorage.
  base::Result<Accepted> add(const NewPush& push);
  /// What `add` looks at first. Nothing when there is no such device. Errors: kStorage.
  base::Result<std::optional<Target>> find_target(std::string_view name);
  /// Takes what is not in the tables yet: the highest number that the device has used, and its
  /// pushes that wait; those that are there already stay as they are. When it was removed meanwhile
  /// they are dropped, and who has its name now, or gets it later, counts on. Errors: kStorageFull,
  /// kStorage.
  base::Result<void> pour(DeviceId device, std::string_view name, Sequence last,
                          std::span<const RecentPush> pushes);
  base::Result<void> remove(DeviceId device, Sequence sequence);
  /// Of a push that has expired at `now` the receipt says so, whatever the device says.
  base::Result<void> remove_through(DeviceId device, Sequence sequence, base::WallTime now);
  /// Takes a push back by the number under which it was accepted. Returns: false when it is gone.
  base::Result<bool> withdraw(DeviceId device, Sequence sequence);
  /// From now on the device takes only pushes of that urgency, or higher ones. What is withheld and
  /// now taken gets new numbers; with `hold_after` lower ones above that number are withheld.
  /// Errors: kNotFound, kStorageFull, kStorage.
  base::Result<LowestSet> set_lowest(DeviceId device, std::uint8_t lowest,
                                     std::optional<Sequence> hold_after);
  /// Deletes at most `limit` expired pushes and keys. Returns: how many.
  base::Result<std::int64_t> sweep(base::WallTime now, std::int64_t limit);

  /// Nothing when it is gone or expired at `now`.
  base::Result<std::optional<Push>> find(DeviceId device, Sequence sequence, base::WallTime now);
  base::Result<Pending> pending(DeviceId device, Sequence after, std::size_t limit,
                                base::WallTime now);
  /// Whether a push that was accepted under that number waits, withheld or not.
  base::Result<bool> find_accepted(DeviceId device, Sequence sequence, base::WallTime now);
  /// The first time that `sweep` has work; nothing when nothing will expire.
  base::Result<std::optional<base::WallTime>> next_expiry();
  /// What the deletions above note for senders that asked.
  ReceiptTable& receipts() { return *receipts_; }
  /// Whether the device has a push up to and including `sequence`, not withheld.
  base::Result<bool> any_through(DeviceId device, Sequence sequence);

 private:
  PushTable(Database& database, std::uint32_t queue_max)
      : database_(&database), queue_max_(queue_max) {}
  base::Result<std::optional<Sequence>> find_key(std::int64_t device, const NewPush& push,
                                                 std::int64_t now);
  base::Result<void> make_room(const Target& target, std::string_view topic, std::int64_t now);

  Database* database_;
  std::uint32_t queue_max_;
  std::optional<ReceiptTable> receipts_;
  Statement find_device_, find_key_, add_key_, take_number_, add_, remove_, find_topic_,
      remove_topic_, remove_through_, remove_expired_of_, sweep_pushes_, sweep_keys_, find_,
      pending_, next_expiry_, any_through_, withdraw_, find_accepted_, add_known_, raise_,
      raise_named_, raise_floor_;
};

}  // namespace wakeline::store
