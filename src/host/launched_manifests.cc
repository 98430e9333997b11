// SPDX-License-Identifier: Apache-2.0
#include "host/launched_manifests.h"

#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "io/file.h"

namespace wakeline::host {
namespace {

// Above the entry, as a comment of it.
constexpr std::string_view kFrom = "# ";
constexpr std::size_t kLongest = wire::kManifestMax + 4'096 + 8;  // bytes: PATH_MAX and its line

}  // namespace

base::Result<void> LaunchedManifests::keep(const wire::Manifest& manifest,
                                           const std::string& file) {
  if (file.find('\n') != std::string::npos) {
    return base::fail(base::ErrorCode::kInvalidArgument, "a line break in the manifest's path");
  }
  const auto entry = wire::write_desktop_entry(manifest);
  if (!entry) return base::fail(entry.error());
  if (auto made = io::make_folder(folder_); !made) return made;
  return io::write_file(path_of(manifest.id), std::string(kFrom) + file + "\n" + *entry);
}

std::optional<LaunchedManifest> LaunchedManifests::find(const std::string& app) const {
  const auto text = io::read_regular_file(path_of(app), kLongest);
  if (!text || !text->starts_with(kFrom)) return std::nullopt;
  const auto end = text->find('\n');
  if (end == std::string::npos) return std::nullopt;
  auto manifest = wire::parse_desktop_entry(std::string_view(*text).substr(end + 1), app);
  if (!manifest || manifest->id != app) return std::nullopt;
  return LaunchedManifest{*std::move(manifest), text->substr(kFrom.size(), end - kFrom.size())};
}

base::Result<void> LaunchedManifests::forget(const std::string& app) {
  return io::remove_file(path_of(app));
}

void LaunchedManifests::forget_others(const std::set<std::string>& living) {
  std::error_code error;
  std::vector<std::filesystem::path> others;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    if (!living.contains(entry.path().filename().string())) others.push_back(entry.path());
  }
  for (const auto& path : others) std::filesystem::remove(path, error);
}

}  // namespace wakeline::host
