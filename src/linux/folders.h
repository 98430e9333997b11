// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dirent.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace wakeline::sys {

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};
/// What readdir(3) reads; null where it could not be opened.
using OpenFolder = std::unique_ptr<DIR, CloseFolder>;

/// Names of the folders in a folder, sorted. Empty where it cannot be read.
std::vector<std::string> folders_in(const std::string& folder);

/// Calls `visit` for the folder, then for every one below it: parents before children, at most 64
/// levels. Returns: false when the folder does not exist.
bool walk_folders(const std::string& folder, const std::function<void(const std::string&)>& visit);

}  // namespace wakeline::sys
