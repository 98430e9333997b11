// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace wakeline::sim {

/// What a set of seeds of every scenario comes to: a line for each run, with a digest of its trace,
/// its events and its report; lanes and a storm too. The lines are the same with
/// every compiler and on every machine: nothing in a run depends on anything but scenario, seed and
/// code.
std::vector<std::string> digest_lines();

}  // namespace wakeline::sim
