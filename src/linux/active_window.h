// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "io/loop.h"

namespace wakeline::sys {

/// Follows the active window of an X11 session (_NET_ACTIVE_WINDOW of its root, _NET_WM_PID of the
/// window). What it tells is a claim of window manager and window: good for comfort, not for
/// rights. Source: Extended Window Manager Hints 1.5.
class ActiveWindow {
 public:
  /// The process whose window is active now; 0: none, or it does not say whose it is.
  using OnChange = std::function<void(pid_t)>;

  /// `display` empty: $DISPLAY. Connecting blocks until the X server answers; after it nothing
  /// does. `on_change` runs on the loop's thread, with the state of now first; `on_lost` once, when
  /// the server has gone. Errors: kNotFound (no display is named), kUnreachable (nobody is there,
  /// or it refuses us), kOs.
  static base::Result<std::unique_ptr<ActiveWindow>> open(io::Loop& loop,
                                                          const std::string& display,
                                                          OnChange on_change,
                                                          std::function<void()> on_lost);
  virtual ~ActiveWindow() = default;
};

}  // namespace wakeline::sys
