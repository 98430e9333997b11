// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/log.h"
#include "io/clock.h"
#include "io/deadline_timer.h"
#include "linux/bus.h"
#include "linux/notifications.h"
#include "linux/notify_message.h"

namespace wakeline::sys {
namespace {

using base::ErrorCode;
using base::LogLevel;

constexpr const char* kOwnerMatch =
    "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
    "member='NameOwnerChanged',arg0='org.freedesktop.Notifications'";
constexpr std::size_t kQueueMax = 1'024;
constexpr std::size_t kShownMax = 1'024;
// Bytes of an activation token; what compositors make is below 100.
constexpr std::size_t kTokenMax = 512;

struct Request {
  std::uint64_t key;
  Notice notice;
  Notifier::OnShown on_shown;
};

/// One request is under way at a time, so that a replacement knows the number of what it replaces.
class DesktopNotifier final : public Notifier {
 public:
  DesktopNotifier(io::Loop& loop, DesktopNotifierOptions options, NotifierHandlers handlers)
      : loop_(loop),
        options_(std::move(options)),
        handlers_(std::move(handlers)),
        terminal_(make_terminal_notifier(options_.terminal)) {
    auto timer = io::DeadlineTimer::create(loop, io::TimerKind::kBoottime, [this] {
      lose({ErrorCode::kTimeout, "notification server", 0});
    });
    if (timer) {
      timer_ = std::move(*timer);
    } else {
      timer_error_ = timer.error();
    }
    later();  // asked at once, so that `describe` can tell and the first ring need not wait
  }

  void show(std::uint64_t key, const Notice& notice, OnShown on_shown) override {
    if (queue_.size() == kQueueMax) {
      terminal_->show(key, notice, nullptr);
      loop_.post([on_shown = std::move(on_shown)] {
        if (on_shown) on_shown(base::fail(ErrorCode::kBusy, "notification server"));
      });
      return;
    }
    queue_.push_back({key, notice, std::move(on_shown)});
    later();
  }

  void close(std::uint64_t key) override {
    const auto waiting = std::ranges::find(queue_, key, &Request::key);
    // The first of the queue may be under way: its server number is not known yet.
    if (waiting != queue_.end() && (waiting != queue_.begin() || !call_)) {
      auto gone = std::move(*waiting);
      queue_.erase(waiting);
      if (gone.on_shown) gone.on_shown(base::fail(ErrorCode::kClosed, "notification"));
    }
    const auto found = shown_.find(key);
    if (found == shown_.end() || !bus_) return;
    // No answer is wanted: that it is closed is told by a signal.
    ::sd_bus_call_method_async(bus_->native(), nullptr, kNotifyService, kNotifyPath, kNotifyService,
                               "CloseNotification", nullptr, nullptr, "u", found->second);
    bus_->pump();
  }

  std::optional<NoticePlace> place(std::uint64_t key) const override {
    const auto found = shown_.find(key);
    if (found == shown_.end()) return std::nullopt;
    return NoticePlace{server_place_, found->second};
  }

  void restore(std::uint64_t key, NoticePlace place) override {
    former_.insert_or_assign(key, std::move(place));
    if (former_.size() > kShownMax) former_.erase(former_.begin());
    if (server_) later();
  }

  std::string describe() const override {
    if (bus_ && server_) return fmt::format("{} on the session bus", server_name_);
    if (reason_) return "the terminal, because: " + base::to_string(*reason_);
    return "the session bus, which has not answered yet";
  }

 private:
  void later() {
    loop_.post([this, alive = std::weak_ptr<int>(alive_)] {
      if (!alive.expired()) step();
    });
  }

  void step() {
    if (call_) return;
    if (!timer_) return give_up(timer_error_);  // without it a call could last for ever
    if (!bus_ && !connect()) return;
    if (!server_) return ask_server();
    take_up_former();
    while (!queue_.empty() && !call_) send_first();
  }

  bool connect() {
    auto bus = Bus::open(loop_, options_.bus_address, [this](base::Error error) { lose(error); });
    if (!bus) {
      give_up(bus.error());
      return false;
    }
    bus_ = std::move(*bus);
    sd_bus* native = bus_->native();
    const auto match = [&](const char* signal, sd_bus_message_handler_t handler) {
      sd_bus_slot* slot = nullptr;
      ::sd_bus_match_signal_async(native, &slot, kNotifyService, kNotifyPath, kNotifyService,
                                  signal, handler, nullptr, this);
      matches_.emplace_back(slot);
    };
    match("ActionInvoked", [](sd_bus_message* message, void* self, sd_bus_error*) {
      return static_cast<DesktopNotifier*>(self)->on_action(message);
    });
    match("ActivationToken", [](sd_bus_message* message, void* self, sd_bus_error*) {
      return static_cast<DesktopNotifier*>(self)->on_token(message);
    });
    match("NotificationClosed", [](sd_bus_message* message, void* self, sd_bus_error*) {
      return static_cast<DesktopNotifier*>(self)->on_closed(message);
    });
    sd_bus_slot* slot = nullptr;
    ::sd_bus_add_match_async(
        native, &slot, kOwnerMatch,
        [](sd_bus_message*, void* self, sd_bus_error*) {
          static_cast<DesktopNotifier*>(self)->forget_server();
          return 0;
        },
        nullptr, this);
    matches_.emplace_back(slot);
    return true;
  }

  // Another server, or none: its numbers and abilities are not those of the last one.
  void forget_server() {
    server_.reset();
    shown_.clear();
  }

  // --- questions to the server; `call_` is the one under way

  using Answer = void (DesktopNotifier::*)(sd_bus_message*);

  void call(BusMessage message, Answer answered) {
    on_answer_ = answered;
    sd_bus_slot* slot = nullptr;
    const int error = ::sd_bus_call_async(
        bus_->native(), &slot, message.get(),
        [](sd_bus_message* answer, void* self, sd_bus_error*) {
          static_cast<DesktopNotifier*>(self)->on_answer(answer);
          return 0;
        },
        this, UINT64_MAX);
    if (error < 0) return lose(bus_error("notification server", error));
    call_.reset(slot);
    timer_->set(io::now() + options_.answer_bound);
    bus_->pump();
  }

  void on_answer(sd_bus_message* message) {
    call_.reset();
    timer_->set(base::kNever);
    if (const sd_bus_error* error = ::sd_bus_message_get_error(message)) {
      server_.reset();
      const bool gone = ::sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) > 0 ||
                        ::sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) > 0;
      give_up({gone ? ErrorCode::kNotFound : ErrorCode::kClosed, "notification server",
               gone ? 0 : ::sd_bus_error_get_errno(error)});
      return;
    }
    (this->*on_answer_)(message);
    later();
  }

  void ask(const char* method, Answer answered) {
    sd_bus_message* raw = nullptr;
    const int error = ::sd_bus_message_new_method_call(bus_->native(), &raw, kNotifyService,
                                                       kNotifyPath, kNotifyService, method);
    BusMessage message(raw);
    if (error < 0) return lose(bus_error("notification server", error));
    call(std::move(message), answered);
  }

  void ask_server() { ask("GetServerInformation", &DesktopNotifier::on_information); }

  void on_information(sd_bus_message* message) {
    const char* name = "";
    const char* vendor = "";
    const char* version = "";
    ::sd_bus_message_read(message, "sss", &name, &vendor, &version);
    server_name_ = fmt::format("{} {}", name, version);
    // Together they come once: numbers of connections begin anew with each bus, its id does not.
    sd_id128_t bus{};
    ::sd_bus_get_bus_id(bus_->native(), &bus);
    const char* owner = ::sd_bus_message_get_sender(message);
    char id[SD_ID128_STRING_MAX];
    server_place_ =
        fmt::format("{}/{}", ::sd_id128_to_string(bus, id), owner == nullptr ? "" : owner);
    ask("GetCapabilities", &DesktopNotifier::on_capabilities);
  }

  void on_capabilities(sd_bus_message* message) {
    NotifyServer server;
    const char* word = nullptr;
    ::sd_bus_message_enter_container(message, 'a', "s");
    while (::sd_bus_message_read(message, "s", &word) > 0) {
      if (std::string_view(word) == "body-markup") server.markup = true;
      if (std::string_view(word) == "actions") server.actions = true;
    }
    server_ = server;
    if (std::exchange(reason_, std::nullopt)) {
      base::log(LogLevel::kInfo, "notifications", "are shown by {}", describe());
    }
  }

  /// Of what an earlier process has shown: what this server shows is ours, the rest is gone.
  void take_up_former() {
    for (auto& [key, place] : std::exchange(former_, {})) {
      if (place.server == server_place_) {
        shown_.emplace(key, place.number);
      } else if (handlers_.on_closed) {
        handlers_.on_closed(key, CloseCause::kUnknown);
      }
    }
  }

  void send_first() {
    const Request& request = queue_.front();
    const auto replaced = shown_.find(request.key);
    auto message = make_notify(bus_->native(), request.notice,
                               replaced == shown_.end() ? 0 : replaced->second, *server_);
    if (!message) {
      // Only this one is at fault, so only this one goes to the terminal.
      base::log(LogLevel::kWarning, "notifications", "printed on the terminal: {}",
                base::to_string(message.error()));
      print_first(message.error());
      return;
    }
    call(std::move(*message), &DesktopNotifier::on_notified);
  }

  void on_notified(sd_bus_message* message) {
    std::uint32_t id = 0;
    ::sd_bus_message_read(message, "u", &id);
    Request request = std::move(queue_.front());
    queue_.pop_front();
    shown_[request.key] = id;
    if (shown_.size() > kShownMax) shown_.erase(shown_.begin());
    if (request.on_shown) request.on_shown({});
  }

  // --- what the server tells

  std::optional<std::uint64_t> key_of(std::uint32_t id) const {
    for (const auto& [key, server_id] : shown_) {
      if (server_id == id) return key;
    }
    return std::nullopt;  // another program's notification
  }

  int on_action(sd_bus_message* message) {
    std::uint32_t id = 0;
    const char* action = "";
    if (::sd_bus_message_read(message, "us", &id, &action) < 0) return 0;
    const auto key = key_of(id);
    const std::string token = id == token_of_ ? std::exchange(token_, {}) : std::string();
    if (key && handlers_.on_action) handlers_.on_action(*key, action, token);
    return 0;
  }

  // It comes just before the action that it belongs to.
  int on_token(sd_bus_message* message) {
    std::uint32_t id = 0;
    const char* token = "";
    if (::sd_bus_message_read(message, "us", &id, &token) < 0 || !key_of(id)) return 0;
    token_of_ = id;
    token_ = std::string_view(token).size() <= kTokenMax ? token : "";
    return 0;
  }

  int on_closed(sd_bus_message* message) {
    std::uint32_t id = 0;
    std::uint32_t cause = 0;
    if (::sd_bus_message_read(message, "uu", &id, &cause) < 0) return 0;
    const auto key = key_of(id);
    if (!key) return 0;
    shown_.erase(*key);
    const bool known = cause >= 1 && cause <= 3;
    const auto why = known ? static_cast<CloseCause>(cause) : CloseCause::kUnknown;
    if (handlers_.on_closed) handlers_.on_closed(*key, why);
    return 0;
  }

  // --- without a server

  void lose(base::Error error) {
    call_.reset();
    matches_.clear();
    forget_server();
    timer_->set(base::kNever);
    // Perhaps inside the bus's own turn: it goes when that has ended.
    if (bus_) bus_->forget_owner();
    loop_.post([gone = std::shared_ptr<Bus>(std::move(bus_))]() mutable { gone.reset(); });
    give_up(error);
  }

  // Prints what waits; the next notification tries the bus again.
  void give_up(base::Error error) {
    if (reason_ != error) {
      base::log(LogLevel::kWarning, "notifications", "are printed on the terminal: {}",
                base::to_string(error));
    }
    reason_ = error;
    const std::size_t count = queue_.size();
    for (std::size_t i = 0; i < count; ++i) print_first(error);
  }

  void print_first(base::Error error) {
    Request request = std::move(queue_.front());
    queue_.pop_front();
    terminal_->show(request.key, request.notice, nullptr);
    if (request.on_shown) request.on_shown(base::fail(error));
  }

  io::Loop& loop_;
  DesktopNotifierOptions options_;
  NotifierHandlers handlers_;
  std::unique_ptr<Notifier> terminal_;
  std::unique_ptr<io::DeadlineTimer> timer_;
  base::Error timer_error_;
  std::unique_ptr<Bus> bus_;
  std::vector<BusSlot> matches_;  // slots go before their bus
  BusSlot call_;
  Answer on_answer_ = nullptr;
  std::optional<NotifyServer> server_;
  std::string server_name_;
  std::string server_place_;    // NoticePlace::server of what it shows
  std::uint32_t token_of_ = 0;  // the server's number that `token_` was told for
  std::string token_;
  std::optional<base::Error> reason_;  // why the terminal is used
  std::deque<Request> queue_;
  std::map<std::uint64_t, std::uint32_t> shown_;  // key → the server's number
  std::map<std::uint64_t, NoticePlace> former_;   // of an earlier process, not looked at yet
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace

std::unique_ptr<Notifier> make_desktop_notifier(io::Loop& loop, DesktopNotifierOptions options,
                                                NotifierHandlers handlers) {
  return std::make_unique<DesktopNotifier>(loop, std::move(options), std::move(handlers));
}

}  // namespace wakeline::sys
