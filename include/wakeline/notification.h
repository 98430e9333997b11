// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace wakeline {

/// How urgent a notification is; the desktop may show critical ones over a full-screen window.
enum class NotificationUrgency : std::uint8_t {
  kLow = 0,       ///< may wait
  kNormal = 1,    ///< as a rule
  kCritical = 2,  ///< a call, an alarm
};

/// A button of a notification.
struct NotificationAction {
  std::string id = {};     ///< the app's own: "answer"
  std::string label = {};  ///< for people: "Answer"
  friend bool operator==(const NotificationAction&, const NotificationAction&) = default;
};

/// A local notification: the one way in which an app in the background tells its user something
/// (C27). Texts are UTF-8. Whether it shows as a banner or silently is the user's choice.
struct Notification {
  std::string title = {};     ///< required
  std::string body = {};      ///< may be empty
  std::string category = {};  ///< freedesktop.org's: "call.incoming"; may be empty
  std::string sound = {};  ///< a name of the desktop's sound theme, or the absolute path of a file
                           ///< of 30 s at most; may be empty
  std::string tag = {};    ///< a later one with the same tag replaces this one
  std::string payload = {};                                    ///< given back with the response
  NotificationUrgency urgency = NotificationUrgency::kNormal;  ///< as the desktop takes it
  std::vector<NotificationAction> actions = {};                ///< at most four
  friend bool operator==(const Notification&, const Notification&) = default;
};

/// What the user did with a notification (C28).
struct NotificationResponse {
  std::uint64_t notification = 0;  ///< as App::notify returned it, maybe in an earlier run
  std::string action = {};         ///< the action's id; "default": the notification was opened
  std::string payload = {};        ///< the notification's own
  /// With it a window of the app may take the focus (XDG_ACTIVATION_TOKEN); empty: none was given.
  std::string activation_token = {};
  friend bool operator==(const NotificationResponse&, const NotificationResponse&) = default;
};

}  // namespace wakeline
