// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <wakeline/error.h>
#include <wakeline/push_client.h>

#include <string>

#include "core/link/memory.h"
#include "core/link/outbox.h"
#include "io/web_push_keys.h"

/// What a push client keeps on the disk, as an earlier run left it.
namespace wakeline::app {

/// "push/door@push.example:8883" in the state folder; no part can leave that folder.
std::string default_state_file(const PushClient::Options& options);

/// What the wall clock is ahead of the boot clock.
base::Duration boot_to_wall();

/// Now. A wall clock that stands before `earliest` has gone back, and is not to be believed.
link::FileTime time_of_file(base::WallTime earliest);

/// Empty where there is none; a corrupt one is set aside as FILE.corrupt.
Result<link::Memory> read_memory(const std::string& file);
/// The same. One that was written before the machine's restart is written anew, so that the time
/// between counts once, whatever the wall clock does later.
Result<link::OutboxFile> read_outbox(const std::string& file);
/// The keys of an earlier run, or new ones where there were none.
Result<io::WebPushKeys> read_keys(const std::string& file);

}  // namespace wakeline::app
