// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "base/time.h"

namespace wakeline::doze {

/// Doublings that are counted at most: 2^30 s is 34 years.
inline constexpr int kDoublingsMax = 30;

/// `first` doubled `times` times, `most` at most.
constexpr base::Duration doubled(base::Duration first, int times, base::Duration most) {
  base::Duration delay = std::min(first, most);
  for (int i = 0; i < std::min(times, kDoublingsMax) && delay < most; ++i)
    delay = delay > most / 2 ? most : delay * 2;
  return delay;
}

}  // namespace wakeline::doze
