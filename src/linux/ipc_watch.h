// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "io/loop.h"

namespace wakeline::sys {

/// What data on a suspended app's local sockets does.
enum class IpcRule : std::uint8_t {
  kDrain,  ///< it gathers, and the app reads it now and then
  kWake    ///< any of it is told at once
};

struct IpcWatchOptions {
  // A sleeping reader's socket is full after some 278 small messages, whatever their size (measured
  // with 16 to 64 bytes); then a compositor or X server gives its client up. So it is told long
  // before: after so many arrivals, or so many bytes, which 32 messages of 64 bytes are.
  int arrivals = 32;
  std::uint32_t bytes = 2'048;
  base::Duration age = std::chrono::seconds(60);  ///< what has lain so long is told as well
};

/// Watches the local stream sockets of suspended apps (D-Bus, Wayland, X11, PipeWire): their peers
/// go on sending, and must not be stopped or filled by an app that sleeps. Nothing is read, no
/// option is touched; duplicates live only while the app is frozen, as with tagged sockets.
class IpcWatch {
 public:
  /// Once for each `add` at most, on the loop's thread, also within `add`; it may remove the app.
  using OnPending = std::function<void(std::uint64_t app)>;

  /// Errors: kOs.
  static base::Result<std::unique_ptr<IpcWatch>> create(io::Loop& loop, IpcWatchOptions options,
                                                        OnPending on_pending);
  virtual ~IpcWatch() = default;

  /// Finds and watches the sockets of the **frozen** processes. What lay unread when the app was
  /// last let run, and lies there still, is no news; where it is much, it is told of all the same,
  /// less and less often. Returns: how many sockets. Errors: kAlreadyExists (the app is watched),
  /// kOs (no descriptors left; nothing is watched).
  virtual base::Result<std::size_t> add(std::uint64_t app, IpcRule rule,
                                        const std::vector<pid_t>& processes) = 0;
  /// Closes every duplicate, before the app runs.
  virtual void remove(std::uint64_t app) = 0;
  /// Sockets that are watched.
  virtual std::size_t size() const = 0;
};

}  // namespace wakeline::sys
