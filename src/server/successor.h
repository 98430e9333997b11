// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/error.h"

namespace wakeline::server {

/// Starts a program that outlives us, as a child of whoever collects orphans: the service manager.
/// systemd ends a main process that was no child of its own, when it was told of it, by SIGKILL
/// alone (seen with 252). `words`: the program's path, then its arguments.
/// Returns: its number. Errors: kOs (it cannot be started).
base::Result<pid_t> start_successor(std::vector<std::string> words);

}  // namespace wakeline::server
