// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "core/doze/earlier.h"

namespace wakeline::host {

/// The note on an app's run that the host keeps with the app's group (AppGroup::set_attribute),
/// so that the next host goes on where this one ended.
inline constexpr const char* kRunNote = "run";

/// Words, each left out where there is nothing to say; instants and spans are nanoseconds, instants
/// those of CLOCK_BOOTTIME:
///   foreground
///   closed                         by the user (C23)
///   keep_alive=LATEST              the deadline of its handler (C15)
///   wake=EARLIEST,LATEST           asked for, once for each (C40)
///   limiter=DOUBLINGS,WAKE,…       its newest wakes (C13)
///   budget=USED,SINCE,RUNS         its running time (C14); RUNS: 0 or 1
///   allowance=START,TAKEN          wake requests of the day (C40)
std::string write_note(const doze::Earlier& earlier);

/// What can be read of it; a word that is not as we write it counts as not there. The app's own
/// user can write the note too: no list is longer than ours, what has been was not after `now`, and
/// what is to come is not later than the protocol allows to ask for.
doze::Earlier read_note(std::string_view text, base::Instant now);

}  // namespace wakeline::host
