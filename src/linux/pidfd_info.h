// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

namespace wakeline::sys {

/// The wait status of an ended process that was not our child, from its pidfd (PIDFD_GET_INFO).
/// Nullopt: the kernel is older than 6.15, or its parent has not collected it yet.
std::optional<int> exit_status_of_ended(int pidfd);

}  // namespace wakeline::sys
