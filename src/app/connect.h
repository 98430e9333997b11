// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <wakeline/error.h>

#include <chrono>
#include <cstdint>
#include <string>

namespace wakeline::app {

class Core;

/// As App::connect_tcp; never on the loop's thread.
Result<int> connect_tcp(Core& core, const std::string& host, std::uint16_t port,
                        std::chrono::milliseconds timeout);

}  // namespace wakeline::app
