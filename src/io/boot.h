// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace wakeline::io {

/// The kernel's name of this boot of the machine; empty where it is not told.
std::string boot_id();

}  // namespace wakeline::io
