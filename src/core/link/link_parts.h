// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "core/link/types.h"

/// What the sources of Link share.
namespace wakeline::link {

/// An answer's deadline that fires so late belongs to a process that was suspended: its bytes may
/// lie in the socket unread.
inline constexpr Duration kLate = std::chrono::milliseconds(500);
/// Without a network: the one timer that runs, in case the system's word was wrong (C31).
inline constexpr Duration kSafetyCheck = std::chrono::minutes(15);
/// A server's sentence for people is cut off there, in bytes.
inline constexpr std::size_t kDetailMax = 256;

}  // namespace wakeline::link
