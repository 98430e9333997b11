// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <wakeline/error.h>

#include <string>
#include <utility>

#include "base/error.h"

namespace wakeline::app {

/// Our errors as the library's users see them. `about` (a file, an option) comes before the text.
Error to_public(const base::Error& error, const std::string& about = {});
/// The code with a text of its own; the code's description where `message` is empty.
Error to_public(base::ErrorCode code, std::string message);
/// Of a call that comes too early, too late or twice.
inline Error wrong_state(std::string message) {
  return {ErrorCode::kWrongState, std::move(message)};
}

}  // namespace wakeline::app
