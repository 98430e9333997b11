// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/error.h"
#include "host/driver.h"
#include "host/options.h"
#include "io/loop.h"
#include "linux/notifications.h"
#include "wire/host_message.h"

namespace wakeline::host {

/// Notifications of one app that the user has not closed yet; the oldest go first.
inline constexpr std::size_t kNoticesMax = 32;

/// Local notifications of apps (C27): shown by the desktop or on the terminal; what the user does
/// with one wakes or launches its app first, and reaches it then (C28).
class Notices {
 public:
  /// `loop` and `driver` outlive it. `path`: the file in which the next host finds what is shown.
  Notices(io::Loop& loop, Driver& driver, NotifierChoice choice, std::string path);

  /// Takes up what an earlier host has shown for the apps that the driver knows: the user can still
  /// answer it. Once, before the first `show`.
  void restore();
  /// Writes the file where something has changed. It happens by itself after the handler under way.
  void save();

  /// Returns: the notification's number, of the app's earlier one where both have the same tag.
  std::uint64_t show(AppRecord& app, const wire::host::Notification& notification);

  std::string describe() const { return notifier_->describe(); }

 private:
  struct Shown {
    doze::AppId app;
    std::string tag;
    std::string payload;
  };
  void save_soon();
  std::uint64_t number_for(const AppRecord& app, const std::string& tag);
  void on_action(std::uint64_t number, const std::string& action, const std::string& token);

  io::Loop& loop_;
  Driver& driver_;
  std::string path_;
  std::unique_ptr<sys::Notifier> notifier_;
  bool desktop_;                          ///< the notifier tries a bus
  std::map<std::uint64_t, Shown> shown_;  // by number: oldest first
  std::uint64_t next_number_ = 1;
  bool unsaved_ = false;
  bool save_fails_ = false;
};

}  // namespace wakeline::host
