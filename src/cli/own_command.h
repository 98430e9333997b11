// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace wakeline::cli {

/// The command line of this process, with the path of its program in front: who runs it later runs
/// what lies there by then. Empty where /proc does not tell.
std::vector<std::string> own_command();

}  // namespace wakeline::cli
