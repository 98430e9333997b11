// SPDX-License-Identifier: Apache-2.0
#include "host/manifests.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "io/file.h"
#include "wire/info_plist.h"

namespace wakeline::host {
namespace {

constexpr std::string_view kSuffix = ".desktop";
constexpr std::string_view kSuffixes[] = {kSuffix, ".plist", ".app"};

/// The names of the manifests in `folder`, sorted: the order of a folder is the file system's.
std::vector<std::string> manifest_files(const std::string& folder, ManifestScan& scan) {
  std::vector<std::string> files;
  std::error_code error;
  std::filesystem::directory_iterator entries(folder, error);
  if (error == std::errc::no_such_file_or_directory) return files;
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    std::string name = entries->path().filename().string();
    if (!is_manifest(name)) continue;
    if (files.size() == kManifestFilesMax) {
      scan.faults.push_back(fmt::format("{}: more than {} manifests", folder, kManifestFilesMax));
      scan.unread.insert(folder);
      break;
    }
    files.push_back(std::move(name));
  }
  if (error) {
    scan.faults.push_back(folder + ": " + error.message());
    scan.unread.insert(folder);
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace

bool is_manifest(std::string_view name) {
  return !name.starts_with('.') && std::ranges::any_of(kSuffixes, [&](std::string_view suffix) {
    return name.size() > suffix.size() && name.ends_with(suffix);
  });
}

std::expected<wire::Manifest, std::string> read_manifest(const std::string& path,
                                                         std::vector<std::string>& warnings) {
  std::error_code error;
  std::filesystem::path file = std::filesystem::absolute(path, error).lexically_normal();
  if (std::filesystem::is_directory(file, error)) file /= "Info.plist";
  const auto text = io::read_regular_file(file.string(), wire::kManifestMax);
  if (!text) return std::unexpected(file.string() + ": " + base::to_string(text.error()));
  std::vector<wire::ManifestError> found;
  auto manifest = wire::is_plist(*text)
                      ? wire::parse_info_plist(*text, file.parent_path().string(), &found)
                      : wire::parse_desktop_entry(*text, file.stem().string(), &found);
  for (const auto& warning : found) warnings.push_back(wire::to_string(warning, file.string()));
  if (!manifest) return std::unexpected(wire::to_string(manifest.error(), file.string()));
  return *std::move(manifest);
}

bool ManifestScan::may_hold(const std::string& file) const {
  return unread.contains(file) || unread.contains(file.substr(0, file.find_last_of('/')));
}

ManifestScan scan_manifests(const std::vector<std::string>& folders) {
  ManifestScan scan;
  for (const std::string& folder : folders) {
    for (const std::string& name : manifest_files(folder, scan)) {
      const std::string path = fmt::format("{}/{}", folder, name);
      auto manifest = read_manifest(path, scan.warnings);
      if (!manifest) {
        scan.faults.push_back(std::move(manifest.error()));
        scan.unread.insert(path);
        continue;
      }
      const auto [taken, fresh] = scan.files.try_emplace(manifest->id, path);
      if (!fresh) {
        scan.faults.push_back(path + ": the id '" + manifest->id + "' is taken by " +
                              taken->second);
        continue;
      }
      scan.manifests.push_back(std::move(*manifest));
    }
  }
  std::ranges::sort(scan.manifests, {}, &wire::Manifest::id);
  return scan;
}

}  // namespace wakeline::host
