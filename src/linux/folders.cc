// SPDX-License-Identifier: Apache-2.0
#include "linux/folders.h"

#include <sys/stat.h>

#include <algorithm>
#include <string_view>

namespace wakeline::sys {
namespace {

constexpr int kDepthMax = 64;

void walk(const std::string& folder, const struct stat& about,
          const std::function<void(const std::string&)>& visit, int depth) {
  visit(folder);
  // Its own link and its parent's: there is no folder in it, as in most apps' cgroups. To list one
  // costs more than all else of a look at an app.
  if (about.st_nlink == 2 || depth == kDepthMax) return;
  for (const auto& name : folders_in(folder)) {
    const std::string inner = folder + "/" + name;
    struct stat about_inner = {};
    if (::stat(inner.c_str(), &about_inner) == 0) walk(inner, about_inner, visit, depth + 1);
  }
}

}  // namespace

std::vector<std::string> folders_in(const std::string& folder) {
  std::vector<std::string> names;
  const OpenFolder open(::opendir(folder.c_str()));
  if (!open) return names;
  while (const dirent* entry = ::readdir(open.get())) {
    const std::string_view name = entry->d_name;
    if (entry->d_type == DT_DIR && name != "." && name != "..") names.emplace_back(name);
  }
  std::ranges::sort(names);
  return names;
}

bool walk_folders(const std::string& folder, const std::function<void(const std::string&)>& visit) {
  struct stat about = {};
  if (::stat(folder.c_str(), &about) != 0 || !S_ISDIR(about.st_mode)) return false;
  walk(folder, about, visit, 0);
  return true;
}

}  // namespace wakeline::sys
