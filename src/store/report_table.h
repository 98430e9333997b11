// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "store/database.h"
#include "store/types.h"

namespace wakeline::store {

/// What devices said and nobody has fetched yet, and the groups that they joined. Changes belong to
/// the caller's transaction, as those of PushTable.
class ReportTable {
 public:
  /// `database` must outlive the table.
  static base::Result<ReportTable> prepare(Database& database);

  /// Returns: its id; of the first one where the device's key is known (also when that was fetched
  /// since). Errors: kBusy (kReportsMax), kNotFound (no such device), those of
  /// Statement::step.
  base::Result<std::uint64_t> add(const Report& report);
  /// The oldest `limit` with an id above `after`; of one device, or of all when it is empty.
  base::Result<std::vector<Report>> list(std::uint64_t after, std::string_view device,
                                         std::size_t limit);
  /// Those up to `id` were fetched: they go.
  base::Result<std::int64_t> remove_through(std::uint64_t id);
  /// Deletes at most `limit` that are older than kReportsKept. Returns: how many.
  base::Result<std::int64_t> sweep(base::WallTime now, std::int64_t limit);

  /// Again is no error. Returns: whether it may. Errors: kTooLarge (kMembersMax), those of
  /// Statement::step.
  base::Result<bool> join(DeviceId device, std::string_view group);
  /// Returns: whether it had joined.
  base::Result<bool> leave(DeviceId device, std::string_view group);
  /// Leaves what it may join by itself; what an operator put it into stays.
  base::Result<void> leave_all(DeviceId device);
  base::Result<bool> in_any_group(DeviceId device);  ///< that `leave_all` would leave

 private:
  explicit ReportTable(Database& database) : database_(&database) {}
  base::Result<void> remember(const Report& report, std::uint64_t id);

  Database* database_;
  Statement find_key_, add_key_, trim_keys_, count_, add_, list_, remove_through_, sweep_,
      may_join_, is_member_, join_, leave_, leave_all_, in_any_;
};

}  // namespace wakeline::store
