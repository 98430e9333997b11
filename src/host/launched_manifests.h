// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <set>
#include <string>

#include "base/error.h"
#include "wire/manifest.h"

namespace wakeline::host {

/// What a running app was launched by, and the file that had said so.
struct LaunchedManifest {
  wire::Manifest manifest;
  std::string file;
};

/// The manifests of the apps that run, as they were launched, each in a file of its own: the next
/// host takes an app over by it when the manifest's own file cannot be read then. For one thread.
class LaunchedManifests {
 public:
  explicit LaunchedManifests(std::string folder) : folder_(std::move(folder)) {}

  /// In place of the former one. A crash leaves the old one or the new one.
  /// Errors: as io::write_file; kInvalidArgument (what no entry can hold).
  base::Result<void> keep(const wire::Manifest& manifest, const std::string& file);
  /// Nullopt: none was kept, or it cannot be read.
  std::optional<LaunchedManifest> find(const std::string& app) const;
  base::Result<void> forget(const std::string& app);
  /// Forgets all but `living`.
  void forget_others(const std::set<std::string>& living);

 private:
  std::string path_of(const std::string& app) const { return folder_ + "/" + app; }

  std::string folder_;
};

}  // namespace wakeline::host
