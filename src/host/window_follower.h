// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "host/driver.h"
#include "io/loop.h"
#include "linux/active_window.h"
#include "linux/freezer.h"

namespace wakeline::host {

/// Brings the app of the active window to the foreground, and the one before it back to the
/// background. An app without a window stays as the user's commands have it.
class WindowFollower {
 public:
  /// All three outlive it. Without a display, or when it goes, there is a line in the log and
  /// nothing is followed.
  WindowFollower(io::Loop& loop, Driver& driver, sys::Freezer& freezer);

 private:
  void on_change(pid_t pid);

  Driver& driver_;
  sys::Freezer& freezer_;
  std::string shown_;  ///< the app that this brought to the foreground; empty: none
  std::unique_ptr<sys::ActiveWindow> window_;
};

}  // namespace wakeline::host
