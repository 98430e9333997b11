// SPDX-License-Identifier: Apache-2.0
#include "host/ended_notes.h"

#include <filesystem>

#include "io/file.h"

namespace wakeline::host {
namespace {

constexpr std::size_t kNoteMax = 4'096;  // bytes; ours have two short words

}  // namespace

std::map<std::string, std::string> EndedNotes::load() {
  std::map<std::string, std::string> notes;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    std::string app = entry.path().filename().string();
    if (io::is_unfinished(app)) continue;
    auto note = io::read_file(entry.path().string(), kNoteMax);
    kept_.insert(app);
    if (note) notes.emplace(std::move(app), std::move(*note));
  }
  return notes;
}

base::Result<void> EndedNotes::keep(const std::string& app, const std::string& note) {
  if (note.empty()) return forget(app);
  if (auto made = io::make_folder(folder_); !made) return made;
  if (auto written = io::write_file(path_of(app), note); !written) return written;
  kept_.insert(app);
  return {};
}

base::Result<void> EndedNotes::forget(const std::string& app) {
  if (!kept_.contains(app)) return {};
  if (auto removed = io::remove_file(path_of(app)); !removed) return removed;
  kept_.erase(app);
  return {};
}

}  // namespace wakeline::host
