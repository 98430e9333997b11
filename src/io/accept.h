// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

/// Inside of io: how every listener accepts.
namespace wakeline::io {

/// Connections accepted before other handlers have their turn.
inline constexpr int kAcceptBatch = 64;
/// When descriptors run out.
inline constexpr auto kAcceptBackoff = std::chrono::milliseconds(100);

}  // namespace wakeline::io
