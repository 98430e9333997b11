// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>

#include "base/error.h"

namespace wakeline::host {

/// The notes (`run_note.h`) on apps that do not run, each in a file of its own: who runs has his
/// with his group. They are about instants since the machine's start, so the folder should be one
/// that the next start empties. For one thread.
class EndedNotes {
 public:
  explicit EndedNotes(std::string folder) : folder_(std::move(folder)) {}

  /// What earlier hosts have kept, by the app's id.
  std::map<std::string, std::string> load();
  /// An empty note is none. A crash leaves the old one or the new one. Errors: as io::write_file.
  base::Result<void> keep(const std::string& app, const std::string& note);
  base::Result<void> forget(const std::string& app);

 private:
  std::string path_of(const std::string& app) const { return folder_ + "/" + app; }

  std::string folder_;
  std::set<std::string> kept_;
};

}  // namespace wakeline::host
