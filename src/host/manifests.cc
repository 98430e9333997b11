// SPDX-License-Identifier: Apache-2.0
#include "host/manifests.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "io/file.h"

namespace wakeline::host {
namespace {

constexpr std::string_view kSuffix = ".desktop";

/// The names of the manifests in `folder`, sorted: the order of a folder is the file system's.
std::vector<std::string> manifest_files(const std::string& folder,
                                        std::vector<std::string>& faults) {
  std::vector<std::string> files;
  std::error_code error;
  std::filesystem::directory_iterator entries(folder, error);
  if (error == std::errc::no_such_file_or_directory) return files;
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    std::string name = entries->path().filename().string();
    if (name.size() <= kSuffix.size() || !name.ends_with(kSuffix) || name.front() == '.') continue;
    if (files.size() == kManifestFilesMax) {
      faults.push_back(folder + ": more than " + std::to_string(kManifestFilesMax) + " manifests");
      break;
    }
    files.push_back(std::move(name));
  }
  if (error) faults.push_back(folder + ": " + error.message());
  std::ranges::sort(files);
  return files;
}

}  // namespace

ManifestScan scan_manifests(const std::vector<std::string>& folders) {
  ManifestScan scan;
  std::map<std::string, std::string> file_of_id;
  for (const std::string& folder : folders) {
    for (const std::string& name : manifest_files(folder, scan.faults)) {
      const std::string path = fmt::format("{}/{}", folder, name);
      const auto text = io::read_file(path, wire::kManifestMax);
      if (!text) {
        scan.faults.push_back(path + ": " + base::to_string(text.error()));
        continue;
      }
      const std::string_view stem = std::string_view(name).substr(0, name.size() - kSuffix.size());
      std::vector<wire::ManifestError> warnings;
      auto manifest = wire::parse_desktop_entry(*text, stem, &warnings);
      for (const auto& warning : warnings) {
        scan.warnings.push_back(wire::to_string(warning, path));
      }
      if (!manifest) {
        scan.faults.push_back(wire::to_string(manifest.error(), path));
        continue;
      }
      const auto [taken, fresh] = file_of_id.try_emplace(manifest->id, path);
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
