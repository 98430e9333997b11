// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>

#include "base/time.h"

namespace wakeline::store {

/// Times as the tables have them: milliseconds since 1970 in UTC.
inline std::int64_t to_ms(base::WallTime at) {
  return std::chrono::floor<std::chrono::milliseconds>(at.time_since_epoch()).count();
}
inline base::WallTime from_ms(std::int64_t ms) {
  // A file may hold what no clock says.
  constexpr auto kMost =
      std::chrono::floor<std::chrono::milliseconds>(base::WallTime::duration::max());
  return base::WallTime(std::chrono::milliseconds(std::clamp(ms, -kMost.count(), kMost.count())));
}

}  // namespace wakeline::store
