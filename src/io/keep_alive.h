// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/time.h"

namespace wakeline::io {

/// TCP_KEEPIDLE, in seconds, for a probe after `most` of silence at the latest: the kernel's timer
/// wheel may fire late by an eighth of the span. Source: kernel/time/timer.c, the granularity of
/// its levels.
int keep_idle_seconds(base::Duration most);

}  // namespace wakeline::io
