// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace wakeline::sys {

/// Reads a small file of /proc or of the cgroup tree whole. `folder`: a directory's fd or AT_FDCWD.
/// Errors: kNotFound, kPermission, kTooLarge (over `limit` bytes), kOs.
base::Result<std::string> read_control(int folder, const char* file, std::size_t limit = 65'536);

/// Writes a control file in one write. Errors: kNotFound, kPermission, kOs.
base::Result<void> write_control(int folder, const char* file, std::string_view text);

/// The value of `key` in lines of "key value": cgroup.events, cpu.stat. Errors: kMalformed.
base::Result<std::uint64_t> control_value(std::string_view text, std::string_view key);

/// Calls `use` with each line, without its end.
template <class Use>
void for_each_line(std::string_view text, Use use) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    use(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

}  // namespace wakeline::sys
