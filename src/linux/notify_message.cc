// SPDX-License-Identifier: Apache-2.0
#include "linux/notify_message.h"

#include <string>

namespace wakeline::sys {
namespace {

constexpr std::int32_t kServersOwnTime = -1;
constexpr std::int32_t kForEver = 0;
constexpr std::int32_t kCriticalBannerMs = 10'000;
constexpr std::uint8_t kCritical = 2;

std::int32_t time_of_display(const Notice& notice) {
  if (notice.style == NoticeStyle::kAlert) return kForEver;
  return notice.urgency == kCritical ? kCriticalBannerMs : kServersOwnTime;
}

/// Appends one part after the other; after the first failure nothing more.
class Appender {
 public:
  Appender(sd_bus_message* message, int error) : message_(message), error_(error) {}

  template <class... Values>
  void append(const char* types, Values... values) {
    if (error_ >= 0) error_ = ::sd_bus_message_append(message_, types, values...);
  }
  template <class Value>
  void hint(const char* name, const char* type, Value value) {
    append("{sv}", name, type, value);
  }
  void hint(const char* name, const std::string& text) {
    if (!text.empty()) hint(name, "s", text.c_str());
  }
  void open(const char* content) {
    if (error_ >= 0) error_ = ::sd_bus_message_open_container(message_, 'a', content);
  }
  void close() {
    if (error_ >= 0) error_ = ::sd_bus_message_close_container(message_);
  }
  int error() const { return error_; }

 private:
  sd_bus_message* message_;
  int error_;
};

void append_hints(Appender& parts, const Notice& notice) {
  parts.open("{sv}");
  parts.hint("urgency", "y", static_cast<int>(notice.urgency));
  parts.hint("desktop-entry", notice.desktop_entry);
  parts.hint("category", notice.category);
  parts.hint("sound-name", notice.sound);
  parts.hint("sound-file", notice.sound_file);
  parts.close();
}

}  // namespace

base::Result<BusMessage> make_notify(sd_bus* bus, const Notice& notice, std::uint32_t replaces,
                                     const NotifyServer& server) {
  sd_bus_message* raw = nullptr;
  const int made = ::sd_bus_message_new_method_call(bus, &raw, kNotifyService, kNotifyPath,
                                                    kNotifyService, "Notify");
  BusMessage message(raw);
  Appender parts(raw, made);
  const std::string body = server.markup ? escape_markup(notice.body) : notice.body;
  parts.append("susss", notice.app_name.c_str(), replaces, "", notice.title.c_str(), body.c_str());
  parts.open("s");
  for (const auto& action : notice.actions) {
    if (server.actions) parts.append("ss", action.id.c_str(), action.label.c_str());
  }
  parts.close();
  append_hints(parts, notice);
  parts.append("i", time_of_display(notice));
  if (parts.error() < 0) {
    return base::fail(base::ErrorCode::kMalformed, "notification", -parts.error());
  }
  return message;
}

}  // namespace wakeline::sys
