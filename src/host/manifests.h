// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <expected>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "wire/manifest.h"

namespace wakeline::host {

/// Files looked at in one folder; more is a mistake of the folder's owner.
inline constexpr std::size_t kManifestFilesMax = 8'192;

/// What a look into the manifest folders found.
struct ManifestScan {
  std::vector<wire::Manifest> manifests;     ///< ordered by id, each id once
  std::map<std::string, std::string> files;  ///< by id: where its manifest was found
  std::set<std::string> unread;              ///< files, and whole folders, that have a fault
  /// One line a fault, ready to print: "/path/doorbell.desktop:4: Exec: missing".
  std::vector<std::string> faults;
  /// The same for what is passed over: a key that nobody knows.
  std::vector<std::string> warnings;

  /// Whether a manifest that was found in `file` may be there still: one that cannot be read now
  /// takes no app away.
  bool may_hold(const std::string& file) const;
};

/// Whether scan_manifests reads a file or folder of that name: *.desktop, *.plist, *.app.
bool is_manifest(std::string_view name);

/// Reads one manifest, a desktop entry or an Info.plist: the file's bytes tell which. Of a folder
/// its Info.plist is meant.
std::expected<wire::Manifest, std::string> read_manifest(const std::string& path,
                                                         std::vector<std::string>& warnings);

/// Reads every *.desktop and *.plist file and every *.app/Info.plist of `folders`. A faulty file is
/// a line in `faults` and is skipped; so is an id that an earlier folder or file (by name) has
/// taken. A folder that does not exist is empty, another error of a folder is a fault.
ManifestScan scan_manifests(const std::vector<std::string>& folders);

}  // namespace wakeline::host
