// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace wakeline::cli {

/// Writes `text` to `path` when a daemon accepts work; does nothing when `path` is empty. Whoever
/// started the daemon waits for the file. A failure is logged: the daemon itself runs.
void write_ready_file(const std::string& path, std::string_view text);

}  // namespace wakeline::cli
