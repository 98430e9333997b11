// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "host/app_record.h"
#include "host/driver.h"

namespace wakeline::host {

/// Suspensions that are put off in a row because a connection is being set up. The machine tries
/// again after 1, 2 and 4 s; a server that does not answer in that time must not keep the program
/// awake for the two minutes that the kernel tries.
inline constexpr int kPostponementsMax = 3;

/// Tags the connections of a program that tags nothing itself: those of the frozen app that its
/// manifest's rule names and that have no tag yet. Sets the kernel's keep-alive on them where the
/// manifest says so (C39). What may not be looked into is a refusal in the ledger, once a run.
/// Returns: false when the app must run on for now: its only connection is being set up, or it was
/// just launched (Profile::launch_window) and has none yet. Nothing would wake it.
/// Errors: as sys::scan_sockets.
base::Result<bool> adopt_sockets(Driver& driver, AppRecord& app);

}  // namespace wakeline::host
