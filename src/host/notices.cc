// SPDX-License-Identifier: Apache-2.0
#include "host/notices.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/log.h"
#include "io/file.h"
#include "linux/sound_length.h"
#include "wire/shown_notices.h"

namespace wakeline::host {
namespace {

/// The action that stands for the notification itself. Source: Desktop Notifications 1.2 §Actions.
constexpr const char* kOpened = "default";

/// A longer sound is replaced by the default one (C27).
constexpr base::Duration kSoundMax = std::chrono::seconds(30);
/// Names of the freedesktop sound theme. Source: Sound Naming Specification 0.8.
constexpr const char* kDefaultSound = "message-new-instant";
constexpr const char* kDefaultCallSound = "phone-incoming-call";

/// A name goes to the desktop, whose theme has it; a path is looked at first. How long it plays is
/// read from the file's headers; a file that cannot be read, or does not say, counts as too long.
void set_sound(sys::Notice& notice, const std::string& sound) {
  if (!sound.starts_with('/')) {
    notice.sound = sound;
    return;
  }
  const auto length = sys::read_sound_length(sound);
  if (length && *length <= kSoundMax) {
    notice.sound_file = sound;
    return;
  }
  notice.sound = notice.category.starts_with("call") ? kDefaultCallSound : kDefaultSound;
  base::log(base::LogLevel::kInfo, "host", "{}: the default sound instead of {}: {}",
            notice.desktop_entry, sound,
            length ? "it is longer than 30 s" : base::to_string(length.error()));
}

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

Notices::Notices(io::Loop& loop, Driver& driver, NotifierChoice choice, std::string path)
    : loop_(loop),
      driver_(driver),
      path_(std::move(path)),
      desktop_(choice == NotifierChoice::kDbus ||
               (choice == NotifierChoice::kAuto && session_bus_exists())) {
  if (!desktop_) {
    notifier_ = sys::make_terminal_notifier(STDERR_FILENO);
    return;
  }
  sys::NotifierHandlers handlers;
  handlers.on_action = [this](std::uint64_t number, const std::string& action,
                              const std::string& token) { on_action(number, action, token); };
  handlers.on_closed = [this](std::uint64_t number, sys::CloseCause) {
    if (shown_.erase(number) > 0) save_soon();
  };
  notifier_ = sys::make_desktop_notifier(loop, {}, std::move(handlers));
}

std::uint64_t Notices::show(AppRecord& app, const wire::host::Notification& notification) {
  const std::uint64_t number = number_for(app, notification.tag);
  if (app.manifest.style == wire::NotificationStyle::kNone) {
    // The user wants none of this app; the app cannot tell (C27).
    driver_.note(&app, doze::name(doze::LedgerEvent::kNotify), "not_wanted", notification.title);
    return number;
  }
  shown_[number] = {app.id, notification.tag, notification.payload};

  sys::Notice notice;
  notice.app_name = app.manifest.name;
  notice.desktop_entry = app.manifest.id;
  notice.title = notification.title;
  notice.body = notification.body;
  notice.category = notification.category;
  set_sound(notice, notification.sound);
  notice.style = app.manifest.style == wire::NotificationStyle::kAlert ? sys::NoticeStyle::kAlert
                                                                       : sys::NoticeStyle::kBanner;
  notice.urgency = static_cast<std::uint8_t>(notification.urgency);
  notice.actions.push_back({kOpened, "Open"});
  for (const auto& action : notification.actions) {
    notice.actions.push_back({action.id, action.label});
  }
  notifier_->show(
      number, notice,
      [this, id = app.id, number, title = notification.title](base::Result<void> shown) {
        save_soon();
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

void Notices::restore() {
  if (!desktop_) return;
  const auto text = io::read_file(path_, wire::kShownNoticesBytesMax);
  if (!text && text.error().code == base::ErrorCode::kNotFound) return;
  const auto earlier = text ? wire::parse_shown_notices(*text) : base::fail(text.error());
  if (!earlier) {
    base::log(base::LogLevel::kWarning, "host", "what an earlier host has shown is unknown: {}: {}",
              path_, base::to_string(earlier.error()));
    return;
  }
  for (const wire::ShownNotice& notice : earlier->notices) {
    next_number_ = std::max(next_number_, notice.number + 1);
    const AppRecord* app = driver_.find(notice.app);
    if (app == nullptr) continue;
    shown_[notice.number] = {app->id, notice.tag, notice.payload};
    notifier_->restore(notice.number, {notice.server, notice.place});
  }
}

void Notices::save_soon() {
  if (!desktop_ || std::exchange(unsaved_, true)) return;
  loop_.post([this] { save(); });
}

void Notices::save() {
  if (!std::exchange(unsaved_, false)) return;
  wire::ShownNotices shown;
  for (const auto& [number, notice] : shown_) {
    const AppRecord* app = driver_.find(notice.app);
    auto place = notifier_->place(number);
    if (app == nullptr || !place) continue;
    shown.notices.push_back({number, app->manifest.id, notice.tag, notice.payload,
                             std::move(place->server), place->number});
  }
  const auto text = wire::to_text(shown);
  const auto written = text ? io::write_file(path_, *text) : base::fail(text.error());
  if (!written && !std::exchange(save_fails_, true)) {
    base::log(base::LogLevel::kWarning, "host",
              "answers to notifications will not reach their apps under the next host: {}: {}",
              path_, base::to_string(written.error()));
  }
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

void Notices::on_action(std::uint64_t number, const std::string& action, const std::string& token) {
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
  driver_.deliver(*app, {number, action, shown.payload, token});
}

}  // namespace wakeline::host
