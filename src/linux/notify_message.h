// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/error.h"
#include "linux/bus.h"
#include "linux/notifications.h"

namespace wakeline::sys {

inline constexpr const char* kNotifyService = "org.freedesktop.Notifications";
inline constexpr const char* kNotifyPath = "/org/freedesktop/Notifications";

/// What a notification server says of itself.
struct NotifyServer {
  bool markup = false;
  bool actions = false;
};

/// The call Notify that shows `notice`; `replaces`: the server's number of the one that it takes
/// the place of, or 0.
///
/// The user's style becomes the time of display: a banner goes after the server's own time (a
/// critical one, which a server would keep for ever, after ten seconds), an alert stays until the
/// user has acted on it. Errors: kMalformed (text that D-Bus does not carry).
/// Source: Desktop Notifications Specification 1.2.
base::Result<BusMessage> make_notify(sd_bus* bus, const Notice& notice, std::uint32_t replaces,
                                     const NotifyServer& server);

}  // namespace wakeline::sys
