// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/link/types.h"

namespace wakeline::link {

/// "write #12 PINGREQ": one line for traces, the same in production, simulator and bug report.
/// Never a token or the content of a push.
std::string to_line(const Action& action);

}  // namespace wakeline::link
