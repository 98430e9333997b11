// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "store/push_table.h"
#include "store/registry.h"
#include "store/report_table.h"
#include "store/types.h"

namespace wakeline::store {

class Store;

/// What one thread sees of the store, over connections of its own that no write blocks. A push that
/// this thread deleted is gone for it at once, before the deletion is written.
class Reader {
 public:
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// Until `end_moment`, each file is read as it is when it is read first: many reads for one lock.
  /// What is written meanwhile need not be seen. A `begin_moment` within one begins a later one.
  void begin_moment();
  void end_moment();

  /// Reads do not see the push any more. Deletions are not answered; one that fails for want of
  /// space is tried again until it is done.
  void remove(DeviceId device, Sequence sequence);
  void remove_through(DeviceId device, Sequence sequence, base::WallTime now);
  /// Nothing when it is gone or expired.
  base::Result<std::optional<Push>> find(DeviceId device, Sequence sequence, base::WallTime now);
  /// See PushTable::find_accepted; what another thread deletes is there until that is written.
  base::Result<bool> find_accepted(DeviceId device, Sequence sequence, base::WallTime now);
  base::Result<Pending> pending(DeviceId device, Sequence after, std::uint16_t limit,
                                base::WallTime now);
  base::Result<std::optional<base::WallTime>> next_expiry();
  /// The oldest reports above `after`; of one device, or of all when `device` is empty.
  base::Result<std::vector<Report>> reports(std::uint64_t after, std::string_view device,
                                            std::size_t limit) {
    enter(moment_);
    return reports_->list(after, device, limit);
  }
  base::Result<std::vector<Receipt>> receipts(std::uint64_t group, std::uint64_t after,
                                              std::size_t limit) {
    enter(moment_);
    return table_->receipts().list(group, after, limit);
  }
  base::Result<bool> in_any_group(DeviceId device) {
    enter(moment_);
    return reports_->in_any_group(device);
  }
  base::Result<std::optional<Device>> find_device(std::string_view name) {
    enter(registry_moment_);
    return registry_.find_device(name);
  }
  /// For look-ups alone.
  Registry& registry() { return registry_; }
  const Registry& registry() const { return registry_; }

 private:
  friend class Store;
  /// What the thread asked for, until it knows that it is written. It is not woken for that.
  class Deletions {
   public:
    /// Not to be read any more, although it is still there. The thread's own.
    std::set<std::pair<DeviceId, Sequence>> pending;

    /// From the thread that writes.
    void add(std::vector<Deletion> written);
    /// Takes what is written out of `pending`. Reads afterwards are of a moment that begins now or
    /// later: before, it was still there.
    void forget_written();

   private:
    std::mutex mutex_;
    std::vector<Deletion> written_;  // guarded by mutex_
  };

  /// Of one of the two connections: a transaction that only reads.
  struct Moment {
    Statement begin, end;
    bool wanted = false;
    bool under_way = false;
  };

  Reader(Store& store, Database database, Registry registry);
  static base::Result<Moment> prepare_moment(Database& database);
  static void enter(Moment& moment);
  static void leave(Moment& moment);
  /// Before each call about pushes: outside of a moment it is one of its own.
  void begin_call();
  /// For pushes that were not among the recent ones: not of a moment before those went to the
  /// tables.
  void enter_pushes();
  static base::Result<std::unique_ptr<Reader>> open(Store& store, const std::string& path,
                                                    std::uint32_t queue_max);

  Store& store_;
  Database database_;
  Registry registry_;
  std::optional<PushTable> table_;
  std::optional<ReportTable> reports_;
  Moment moment_, registry_moment_;
  std::uint64_t clears_ = 0;  ///< of the recent pushes, when the moment began
  std::shared_ptr<Deletions> deletions_;
};

}  // namespace wakeline::store
