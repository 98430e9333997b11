// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace wakeline::cli {

/// `wakeline apps install`, `remove`, `info` and `set`: manifests and the user's settings, with a
/// running host or without one.
void add_manifest_commands(CLI::App& apps, const std::string& runtime_folder, int& exit_code);

}  // namespace wakeline::cli
