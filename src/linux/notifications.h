// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "io/loop.h"

namespace wakeline::sys {

/// How the user wants the notifications of an app (C27). An app that may not show any is its
/// caller's matter: nothing of it comes here.
enum class NoticeStyle : std::uint8_t {
  kBanner,  ///< shows for a while
  kAlert    ///< stays until the user has acted on it
};

/// What the user is told (C27). Text is plain UTF-8, never markup.
struct Notice {
  struct Action {
    std::string id;     ///< "answer"; "default" is the opening of the notification itself
    std::string label;  ///< "Answer"
  };
  std::string app_name;       ///< for people
  std::string desktop_entry;  ///< the app's id: its icon and the user's settings for it
  std::string title;
  std::string body;
  std::string category;    ///< "call.incoming"; may be empty
  std::string sound;       ///< sound theme name; may be empty
  std::string sound_file;  ///< path of a file, instead of a name; may be empty
  std::uint8_t urgency = 1;
  NoticeStyle style = NoticeStyle::kBanner;
  std::vector<Action> actions;
};

enum class CloseCause : std::uint8_t {
  kExpired = 1,
  kDismissed = 2,
  kClosedByUs = 3,
  kUnknown = 4
};

struct NotifierHandlers {
  /// `token`: with it the app may take the focus (xdg-activation, startup notification); empty
  /// where the server gave none.
  std::function<void(std::uint64_t key, const std::string& action, const std::string& token)>
      on_action;
  std::function<void(std::uint64_t key, CloseCause cause)> on_closed;
};

/// Where a notification is shown, for a later process that shows it no more but is told of it.
struct NoticePlace {
  std::string server;        ///< which server on which bus; not of another start of either
  std::uint32_t number = 0;  ///< that server's number of it
};

/// Shows local notifications. Calls return at once; handlers run on the loop's thread, later (the
/// terminal's `on_shown`: at once).
class Notifier {
 public:
  /// The error is why the desktop did not take it; then it was printed on the terminal.
  using OnShown = std::function<void(base::Result<void>)>;

  virtual ~Notifier() = default;
  /// `key`: the caller's number of it; the same one again replaces what is still shown.
  virtual void show(std::uint64_t key, const Notice& notice, OnShown on_shown) = 0;
  virtual void close(std::uint64_t key) = 0;
  /// Nullopt: it is not shown on a bus (not yet, or no more).
  virtual std::optional<NoticePlace> place(std::uint64_t key) const = 0;
  /// An earlier process has shown it there. Where that server is gone, `on_closed` says so. At most
  /// 1,024; of more the oldest are forgotten.
  virtual void restore(std::uint64_t key, NoticePlace place) = 0;
  /// A line for people: which server on which bus, or why the terminal.
  virtual std::string describe() const = 0;
};

/// Prints each notification as one line; control characters are replaced, colours only on a
/// terminal and without NO_COLOR. No actions.
std::unique_ptr<Notifier> make_terminal_notifier(int fd);

struct DesktopNotifierOptions {
  std::string bus_address{};  ///< empty: the session bus, as the environment says
  int terminal = 2;           ///< where notifications go while no server takes them
  base::Duration answer_bound = std::chrono::seconds(5);  ///< a server that needs longer is gone
};

/// org.freedesktop.Notifications on the session bus. Where bus or server are missing, slow or
/// gone, notifications are printed on the terminal, which the log says; every later one tries the
/// bus again. At most 1,024 wait for the server; more are printed. Source: Desktop Notifications
/// Specification 1.2.
std::unique_ptr<Notifier> make_desktop_notifier(io::Loop& loop, DesktopNotifierOptions options,
                                                NotifierHandlers handlers);

/// Text in which a server with "body-markup" sees no markup. Source: ibid. §Markup.
std::string escape_markup(std::string_view text);

}  // namespace wakeline::sys
