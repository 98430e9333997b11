// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "host/options.h"

namespace wakeline::host {

/// The daemon behind `wakeline host`: launches apps, suspends them, wakes them by their sockets.
///
/// `create` forks the guardian, so it is called before the process starts any thread. One host at a
/// time lives on a runtime folder; what an earlier one left running is taken over.
class Host {
 public:
  /// Errors: the file, folder or field in `subject`. kAddressInUse: another host runs there;
  ///         kUnsupported, kPermission: the freezer that was asked for is not to be had.
  static std::expected<std::unique_ptr<Host>, StartError> create(HostOptions options);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  /// Runs until SIGTERM, SIGINT or `stop`. Then every app runs again and is asked to end (SIGTERM,
  /// after the grace SIGKILL); a second signal does not wait for the grace. SIGHUP makes this
  /// process become `HostOptions::successor` (upgrade.h): the call does not return then.
  void run();
  /// Ends `run`. Thread-safe.
  void stop();

  /// Lines for people: the socket, the freezer, the notifier, the profile.
  std::string describe() const;

 private:
  class Impl;
  explicit Host(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace wakeline::host
