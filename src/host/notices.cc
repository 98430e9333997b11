// SPDX-License-Identifier: Apache-2.0
#include "host/notices.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/log.h"

namespace wakeline::host {
namespace {

/// The action that stands for the notification itself. Source: Desktop Notifications 1.2 §Actions.
constexpr const char* kOpened = "default";

/// Whether there is a session bus to try at all; one that does not answer is the notifier's matter.
bool session_bus_exists() {
  if (const char* address = std::getenv("DBUS_SESSION_BUS_ADDRESS");
      address != nullptr && *address != '\0') {
    return true;
  }
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  return runtime != nullptr && ::access((std::string(runtime) + "/bus").c_str(), F_OK) == 0;
}

}  // namespace

Notices::Notices(io::Loop& loop, Driver& driver, NotifierChoice choice)
    : driver_(driver),
      desktop_(choice == NotifierChoice::kDbus ||
               (choice == NotifierChoice::kAuto && session_bus_exists())) {
  if (!desktop_) {
    notifier_ = sys::make_terminal_notifier(STDERR_FILENO);
    return;
  }
  sys::NotifierHandlers handlers;
  handlers.on_action = [this](std::uint64_t number, const std::string& action) {
    on_action(number, action);
  };
  handlers.on_closed = [this](std::uint64_t number, sys::CloseCause) { shown_.erase(number); };
  notifier_ = sys::make_desktop_notifier(loop, {}, std::move(handlers));
}

std::uint64_t Notices::show(AppRecord& app, const wire::host::Notification& notification) {
  const std::uint64_t number = number_for(app, notification.tag);
  shown_[number] = {app.id, notification.tag, notification.payload};

  sys::Notice notice;
  notice.app_name = app.manifest.name;
  notice.desktop_entry = app.manifest.id;
  notice.title = notification.title;
  notice.body = notification.body;
  notice.category = notification.category;
  notice.sound = notification.sound;
  notice.urgency = static_cast<std::uint8_t>(notification.urgency);
  notice.actions.push_back({kOpened, "Open"});
  for (const auto& action : notification.actions) {
    notice.actions.push_back({action.id, action.label});
  }
  notifier_->show(
      number, notice,
      [this, id = app.id, number, title = notification.title](base::Result<void> shown) {
        const AppRecord* record = driver_.find(id);
        if (record == nullptr) return;
        driver_.note(record, doze::name(doze::LedgerEvent::kNotify),
                     shown && desktop_ ? "desktop" : "terminal", title);
        if (!shown) {
          base::log(base::LogLevel::kDebug, "host", "notification {}: {}", number,
                    base::to_string(shown.error()));
        }
      });
  return number;
}

std::uint64_t Notices::number_for(const AppRecord& app, const std::string& tag) {
  std::size_t of_app = 0;
  auto oldest = shown_.end();
  for (auto it = shown_.begin(); it != shown_.end(); ++it) {
    if (it->second.app != app.id) continue;
    if (!tag.empty() && it->second.tag == tag) return it->first;
    if (of_app++ == 0) oldest = it;
  }
  if (of_app >= kNoticesMax) {
    notifier_->close(oldest->first);
    shown_.erase(oldest);
  }
  return next_number_++;
}

void Notices::on_action(std::uint64_t number, const std::string& action) {
  const auto found = shown_.find(number);
  if (found == shown_.end()) return;
  const Shown shown = found->second;
  AppRecord* app = driver_.find(shown.app);
  if (app == nullptr) return;
  // First the app must run; the message waits for a relaunched one to connect.
  driver_.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    doze.on_notification_action(now, shown.app, out);
    if (action == kOpened) doze.on_foreground(now, shown.app, out);
  });
  driver_.deliver(*app, {number, action, shown.payload});
}

}  // namespace wakeline::host
