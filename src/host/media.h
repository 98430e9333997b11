// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/time.h"
#include "host/app_record.h"

namespace wakeline::host {

class Driver;

/// How often the end of the media of programs that know nothing of us is looked for.
inline constexpr base::Duration kMediaLook = std::chrono::seconds(1);

/// Whether a program holds media sockets, as its manifest's rule says, is its audio session (C29):
/// begins or ends it. Called when the program was frozen, and every kMediaLook while one lasts.
/// Returns: whether it lasts.
bool look_for_media(Driver& driver, AppRecord& app);

}  // namespace wakeline::host
