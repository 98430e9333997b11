// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace wakeline::base {

/// "text" (the default), or "json": each line of the log is an object {"at","level","part","text"},
/// the time in UTC. Before other threads log. Returns: false for another word, which changes
/// nothing.
bool set_log_format(std::string_view format);

}  // namespace wakeline::base
