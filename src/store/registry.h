// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/database.h"
#include "store/members.h"
#include "store/types.h"

namespace wakeline::store {

/// Who may connect and who may push. Works on the file of a running server as well: it sees a
/// change at its next look-up. Each call is one durable transaction.
class Registry {
 public:
  /// Errors: those of Database::open.
  static base::Result<Registry> open(const std::string& path, Database::Mode mode);

  /// With what it belongs to, or not at all. Errors: kAlreadyExists, kTooLarge (kMembersMax),
  /// kStorageFull, kBusy, kStorage.
  base::Result<DeviceId> add_device(std::string_view name, const TokenHash& token_hash,
                                    base::WallTime now, std::span<const Members::Entry> of = {});
  /// With all its pushes, of which receipts tell who asked for them. Errors: kNotFound,
  /// kStorageFull, kBusy, kStorage.
  base::Result<void> remove_device(std::string_view name);
  base::Result<std::optional<Device>> find_device(std::string_view name);
  /// By name; what waits for them is in the tables and in the journal of a running server.
  base::Result<std::vector<Device>> devices();

  /// The kinds of report that a device may publish. Errors: kNotFound, those of add_device.
  base::Result<void> set_rights(std::string_view device, std::uint8_t rights);
  /// Lets a device join a group, or not any more; then it leaves. Errors: kNotFound (no such
  /// device), those of add_device.
  base::Result<void> permit_group(std::string_view device, std::string_view group, bool permit);
  /// By name: what the device may join.
  base::Result<std::vector<std::string>> permitted_groups(DeviceId device);

  /// An app server's token. Errors: kAlreadyExists, kStorageFull, kBusy, kStorage.
  base::Result<void> add_sender(std::string_view name, const TokenHash& token_hash,
                                base::WallTime now);
  /// The name of the app server whose token has this hash.
  base::Result<std::optional<std::string>> find_sender(const TokenHash& token_hash);
  base::Result<bool> has_senders();

  /// Of this store, never 0; another one means that the sequences start anew.
  std::uint64_t epoch() const { return epoch_; }

 private:
  friend class Reader;
  Registry(Database database, std::string path)
      : database_(std::move(database)), path_(std::move(path)) {}
  base::Result<void> prepare();
  base::Result<DeviceId> add_row(std::string_view name, const TokenHash& token_hash,
                                 base::WallTime now);
  base::Result<void> remove_row(std::string_view name);
  base::Result<std::vector<Device>> rows();
  static base::Result<std::vector<std::string>> texts(Statement& statement);

  Database database_;
  std::string path_;
  Statement find_device_;
  Statement find_sender_;
  std::uint64_t epoch_ = 0;
};

}  // namespace wakeline::store
