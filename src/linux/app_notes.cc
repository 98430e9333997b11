// SPDX-License-Identifier: Apache-2.0
#include "linux/app_notes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "io/file.h"
#include "io/unique_fd.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;

constexpr std::size_t kNoteMax = 4'096;  // bytes, as of an attribute; ours are below 3,000

std::string prefix_of(const ProcessKey& about) {
  return fmt::format("{} {} ", about.pid, about.start);
}

}  // namespace

base::Result<void> AppNotes::write(const std::string& key, const ProcessKey& about,
                                   const std::string& value) const {
  if (folder_.empty()) return base::fail(ErrorCode::kUnsupported, "note");
  if (auto made = io::make_folder(folder_); !made) return made;
  const std::string path = path_of(key);
  const std::string next = path + "~";
  const io::UniqueFd fd(::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd) return base::fail(base::os_error("note", errno));
  const std::string text = prefix_of(about) + value;
  if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return base::fail(base::os_error("note", errno));
  }
  // Not fsynced: with the machine goes the process that it is about.
  if (::rename(next.c_str(), path.c_str()) != 0) return base::fail(base::os_error("note", errno));
  return {};
}

std::optional<std::string> AppNotes::read(const std::string& key, const ProcessKey& about) const {
  if (folder_.empty()) return std::nullopt;
  const auto text = io::read_file(path_of(key), kNoteMax);
  const std::string prefix = prefix_of(about);
  if (!text || !text->starts_with(prefix)) return std::nullopt;
  return text->substr(prefix.size());
}

void AppNotes::clear() const {
  if (folder_.empty()) return;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    if (!entry.path().filename().string().starts_with(id_ + ":")) continue;
    std::filesystem::remove(entry.path(), error);
  }
}

}  // namespace wakeline::sys
