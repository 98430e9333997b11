// SPDX-License-Identifier: Apache-2.0
#include "host/window_follower.h"

#include <utility>

#include "base/log.h"

namespace wakeline::host {

using base::LogLevel;

WindowFollower::WindowFollower(io::Loop& loop, Driver& driver, sys::Freezer& freezer)
    : driver_(driver), freezer_(freezer) {
  auto window = sys::ActiveWindow::open(
      loop, {}, [this](pid_t pid) { on_change(pid); },
      [] {
        base::log(LogLevel::kWarning, "host",
                  "the X server has gone; foreground and background are no longer followed");
      });
  if (window) {
    window_ = std::move(*window);
    return;
  }
  base::log(LogLevel::kWarning, "host", "the active window cannot be followed: {}",
            base::to_string(window.error()));
}

void WindowFollower::on_change(pid_t pid) {
  std::string active;
  if (pid > 0) active = freezer_.app_of(pid).value_or("");
  if (active == shown_) return;
  const std::string left = std::exchange(shown_, active);
  const AppRecord* behind = left.empty() ? nullptr : driver_.find(left);
  const AppRecord* front = active.empty() ? nullptr : driver_.find(active);
  // One that has ended meanwhile is not started by the window that it leaves behind.
  driver_.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    if (behind != nullptr) doze.on_background(now, behind->id, out);
    if (front != nullptr && front->process->running()) doze.on_foreground(now, front->id, out);
  });
}

}  // namespace wakeline::host
