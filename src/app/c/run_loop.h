// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <wakeline/run_loop.h>
#include <wakeline/wakeline.h>

#include "app/c/handles.h"
#include "app/c/objects.h"

namespace wakeline::app::c {

/// What stands behind a run loop of the C ABI; streams on it keep it.
struct LoopObject {
  RunLoop loop;
  Live live = make_live();
};
using Loops = Handles<wakeline_run_loop_t, LoopObject, Kind::kRunLoop>;

/// As AppFreed, for a run loop that was freed while its callbacks ran.
struct LoopFreed {};

}  // namespace wakeline::app::c
