// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "linux/proc.h"

namespace wakeline::sys {

/// Notes on one app in small files, for where no cgroup can hold them: `FOLDER/ID:KEY`. Each names
/// the process that it is about, so that a note of an earlier launch is none of a later one.
class AppNotes {
 public:
  /// `folder`: made when the first note is; empty: there are no notes.
  AppNotes(std::string folder, std::string id) : folder_(std::move(folder)), id_(std::move(id)) {}

  /// A crash of the host leaves the old note or the new one. It need not survive the machine.
  /// Errors: kUnsupported (no folder), kOs, as io::make_folder.
  base::Result<void> write(const std::string& key, const ProcessKey& about,
                           const std::string& value) const;
  std::optional<std::string> read(const std::string& key, const ProcessKey& about) const;
  /// Removes every note on the app.
  void clear() const;

 private:
  std::string path_of(const std::string& key) const { return folder_ + "/" + id_ + ":" + key; }

  std::string folder_;
  std::string id_;
};

}  // namespace wakeline::sys
