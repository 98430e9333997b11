// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "core/doze/types.h"

namespace wakeline::host {

/// The note on an app's run that the host keeps with the app's group (AppGroup::set_attribute),
/// so that the next host goes on where this one died: "foreground", the deadline of its keep-alive
/// handler, both or none.
inline constexpr const char* kRunNote = "run";

/// "foreground keep_alive=NANOSECONDS", the deadline on CLOCK_BOOTTIME.
std::string write_note(const doze::Earlier& earlier);

/// What can be read of it; whatever is not as we write it counts as not there. The app's own user
/// can write the note too: a deadline is never one later than `now` plus wire::kTimeoutMaxS.
doze::Earlier read_note(std::string_view text, base::Instant now);

}  // namespace wakeline::host
