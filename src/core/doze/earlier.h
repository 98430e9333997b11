// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "core/doze/limiter.h"
#include "core/doze/run_budget.h"
#include "core/doze/types.h"
#include "core/doze/wake_requests.h"

namespace wakeline::doze {

/// What the next host must not forget of an app and its run.
struct Earlier {
  bool foreground = false;
  /// By the user: a run ends as soon as it is found, and no boot launches what has ended (C23).
  bool closed = false;
  /// Before it the keep-alive handler has to run (C15), once the app has set it again.
  Instant keep_alive_latest = base::kNever;
  std::vector<WakeRequests::Window> wakes{};  ///< that it has asked for (C40); at most kWakesMax
  Limiter::Past limiter{};                    ///< C13
  RunBudget::Past budget{};                   ///< C14
  WakeAllowance::Past allowance{};            ///< C40
  friend bool operator==(const Earlier&, const Earlier&) = default;
};

}  // namespace wakeline::doze
