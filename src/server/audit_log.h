// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace wakeline::server {

/// Who did what to whom: changes by operators, refused tokens. One line of JSON each, appended to
/// `audit.log`; at `kAuditFileMax` bytes the file becomes `audit.log.1`, and an older one goes.
/// Also written by commands beside a running server; made by root it belongs to the folder's owner.
/// Never a secret in it.
class AuditLog {
 public:
  using Fields = std::vector<std::pair<std::string_view, std::string>>;
  static constexpr std::size_t kAuditFileMax = 8 << 20;

  /// `file_max`: bytes of one file.
  explicit AuditLog(std::string path, std::size_t file_max = kAuditFileMax)
      : path_(std::move(path)), file_max_(file_max) {}

  /// {"at":"2026-01-31T12:00:00.123Z","event":"device_added","device":"door",…}. On disk before it
  /// returns when `sync`. Errors: kPermission, kStorageFull, kNotFound (the folder), kOs.
  base::Result<void> write(base::WallTime now, std::string_view event, const Fields& fields,
                           bool sync = true);

 private:
  std::string path_;
  std::size_t file_max_;
};

}  // namespace wakeline::server
