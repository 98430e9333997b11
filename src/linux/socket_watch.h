// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/error.h"
#include "io/loop.h"
#include "io/unique_fd.h"
#include "linux/socket_probe.h"

namespace wakeline::sys {

enum class SocketEvent : std::uint8_t {
  kData,   ///< bytes to read; or the connection that was being set up is there
  kEnd,    ///< the peer closed, and nothing is left to read
  kError,  ///< reset, or it could not be set up
};

enum class WatchMode : std::uint8_t {
  kLevel,  ///< data that lies there already is an event
  kEdge,   ///< only what is new since the `known` reading is one (C11)
};

/// Who is told: numbers of the caller's choice.
struct WatchKey {
  std::uint64_t group = 0;   ///< the app
  std::uint64_t member = 0;  ///< the tag
  friend auto operator<=>(const WatchKey&, const WatchKey&) = default;
};

/// Waits for events on duplicates of suspended apps' sockets. It has an epoll set of its own,
/// because Asio would set O_NONBLOCK, which a duplicate shares with the app (C7); that set's one
/// descriptor is attached to the loop. Nothing is polled, nothing allocated on the way of a wake.
///
/// Every watch reports **once**, then sleeps until it is removed: a socket that nobody reads costs
/// no second event.
class SocketWatch {
 public:
  using OnEvent = std::function<void(WatchKey, SocketEvent)>;

  /// `on_event` runs on the loop's thread and may add and remove any watch.
  /// Errors: kOs (no descriptors left).
  static base::Result<std::unique_ptr<SocketWatch>> create(io::Loop& loop, OnEvent on_event);
  virtual ~SocketWatch() = default;  ///< closes every duplicate

  /// Takes the duplicate of a **frozen** app's socket. `known` is what was read of it after the
  /// freeze: in kEdge mode what came between that reading and this call is an event too, and of one
  /// that was `connecting` it is one that it no longer is.
  /// Errors: kAlreadyExists (the key), kInvalidArgument (the fd cannot be waited for), kOs.
  virtual base::Result<void> add(WatchKey key, io::UniqueFd duplicate, WatchMode mode,
                                 const SocketReading& known = {}) = 0;
  /// Closes the duplicate, before the app runs again; then its own close sends FIN as ever (C24).
  /// No event of the key comes after it. Returns: false when there was none.
  virtual bool remove(WatchKey key) = 0;
  /// The same for a whole app. Returns: how many.
  virtual std::size_t remove_group(std::uint64_t group) = 0;
  /// What can be read of the watched socket now. Errors: kNotFound.
  virtual base::Result<SocketReading> read(WatchKey key) const = 0;

  /// Copies what waits there without taking it, from its beginning, as far as `into` goes.
  /// Returns: how many bytes. Errors: kNotFound, kOs.
  virtual base::Result<std::size_t> peek(WatchKey key, std::span<char> into) const = 0;
  /// Watches on after an event that was none: only what is new since the `known` reading is one.
  /// Errors: kNotFound (or it was not reported), kOs.
  virtual base::Result<void> rearm(WatchKey key, const SocketReading& known) = 0;

  virtual std::size_t size() const = 0;
};

}  // namespace wakeline::sys
