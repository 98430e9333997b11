// SPDX-License-Identifier: Apache-2.0
#include "cli/own_command.h"

#include <algorithm>
#include <filesystem>

#include "io/file.h"

namespace wakeline::cli {

std::vector<std::string> own_command() {
  std::error_code error;
  std::string program = std::filesystem::read_symlink("/proc/self/exe", error).string();
  constexpr std::string_view kReplaced = " (deleted)";
  if (program.ends_with(kReplaced)) program.resize(program.size() - kReplaced.size());
  const auto line = io::read_file("/proc/self/cmdline", 65'536);
  if (error || !line) return {};
  std::vector<std::string> words;
  for (std::size_t at = 0; at < line->size();) {
    const std::size_t end = std::min(line->find('\0', at), line->size());
    words.push_back(line->substr(at, end - at));
    at = end + 1;
  }
  if (words.empty()) return {};
  words.front() = program;
  return words;
}

}  // namespace wakeline::cli
