// SPDX-License-Identifier: Apache-2.0
#include "linux/bus_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace wakeline::sys {
namespace {

constexpr const char* kBusName = "org.freedesktop.DBus";
constexpr const char* kBusPath = "/org/freedesktop/DBus";

base::Error answer_error(sd_bus_message* message) {
  const sd_bus_error* error = ::sd_bus_message_get_error(message);
  return error == nullptr ? base::Error{}
                          : bus_error("D-Bus call", -::sd_bus_error_get_errno(error));
}

}  // namespace

BusService::BusService(Bus& bus, std::string name, std::function<void(bool)> on_owner)
    : bus_(bus), name_(std::move(name)), on_owner_(std::move(on_owner)) {
  match(fmt::format("type='signal',sender='{}',interface='{}',member='NameOwnerChanged',arg0='{}'",
                    kBusName, kBusName, name_),
        [this](sd_bus_message* message) {
          const char *which = "", *before = "", *after = "";
          if (::sd_bus_message_read(message, "sss", &which, &before, &after) < 0) return;
          if (*before != '\0') on_owner_(false);
          if (*after != '\0') on_owner_(true);
        });
  sd_bus_message* raw = nullptr;
  int error = ::sd_bus_message_new_method_call(bus_.native(), &raw, kBusName, kBusPath, kBusName,
                                               "NameHasOwner");
  BusMessage question(raw);
  if (error >= 0) error = ::sd_bus_message_append(raw, "s", name_.c_str());
  if (error < 0) {
    on_owner_(false);
    return;
  }
  start(std::move(question), [this](sd_bus_message* answer, base::Error) {
    int owned = 0;
    if (answer != nullptr) ::sd_bus_message_read(answer, "b", &owned);
    on_owner_(owned != 0);
  });
}

void BusService::match(const std::string& rule, OnMessage handler) {
  auto& made = matches_.emplace_back(Match{std::move(handler)});
  sd_bus_slot* slot = nullptr;
  ::sd_bus_add_match_async(
      bus_.native(), &slot, rule.c_str(),
      [](sd_bus_message* message, void* self, sd_bus_error*) {
        static_cast<Match*>(self)->handler(message);
        return 0;
      },
      nullptr, &made);
  made.slot.reset(slot);
  bus_.pump_later();
}

void BusService::on_signal(const std::string& path, const char* interface, const char* member,
                           OnMessage handler) {
  std::string rule =
      fmt::format("type='signal',sender='{}',interface='{}',member='{}'", name_, interface, member);
  if (!path.empty()) rule += fmt::format(",path='{}'", path);
  match(rule, std::move(handler));
}

void BusService::call(const std::string& path, const char* interface, const char* method,
                      const Append& append, OnAnswer on_answer) {
  sd_bus_message* raw = nullptr;
  int error = ::sd_bus_message_new_method_call(bus_.native(), &raw, name_.c_str(), path.c_str(),
                                               interface, method);
  BusMessage message(raw);
  // Who is not there is not started for our sake.
  if (error >= 0) error = ::sd_bus_message_set_auto_start(raw, 0);
  if (error >= 0 && append) error = append(raw);
  if (error < 0) return on_answer(nullptr, bus_error(method, error));
  start(std::move(message), std::move(on_answer));
}

void BusService::get(const std::string& path, const char* interface, const char* property,
                     OnAnswer on_answer) {
  call(
      path, "org.freedesktop.DBus.Properties", "Get",
      [&](sd_bus_message* message) {
        return ::sd_bus_message_append(message, "ss", interface, property);
      },
      std::move(on_answer));
}

void BusService::start(BusMessage message, OnAnswer on_answer) {
  auto& pending = pending_.emplace_back(Pending{*this, std::move(on_answer)});
  sd_bus_slot* slot = nullptr;
  const int error =
      ::sd_bus_call_async(bus_.native(), &slot, message.get(), answered, &pending, UINT64_MAX);
  if (error < 0) {
    const OnAnswer told = std::move(pending.on_answer);
    pending_.pop_back();
    return told(nullptr, bus_error("D-Bus call", error));
  }
  pending.slot.reset(slot);
  bus_.pump_later();
}

int BusService::answered(sd_bus_message* message, void* self, sd_bus_error*) {
  auto* pending = static_cast<Pending*>(self);
  BusService& service = pending->service;
  const OnAnswer told = std::move(pending->on_answer);
  const auto found =
      std::ranges::find(service.pending_, pending, [](Pending& one) { return &one; });
  if (found != service.pending_.end()) service.pending_.erase(found);
  const base::Error error = answer_error(message);
  told(error == base::Error{} ? message : nullptr, error);
  return 0;
}

void for_each_property(sd_bus_message* message, const std::function<void(const char* key)>& use) {
  if (::sd_bus_message_enter_container(message, 'a', "{sv}") < 0) return;
  while (::sd_bus_message_enter_container(message, 'e', "sv") > 0) {
    const char* key = "";
    if (::sd_bus_message_read(message, "s", &key) < 0) return;
    use(key);
    // Whatever it has not read.
    if (::sd_bus_message_at_end(message, 0) == 0 && ::sd_bus_message_skip(message, "v") < 0) return;
    if (::sd_bus_message_exit_container(message) < 0) return;
  }
  ::sd_bus_message_exit_container(message);
}

bool read_variant(sd_bus_message* message, std::string& value) {
  char type = 0;
  const char* content = nullptr;
  if (::sd_bus_message_peek_type(message, &type, &content) <= 0 || type != 'v') return false;
  if (content == nullptr ||
      (std::string_view(content) != "s" && std::string_view(content) != "o")) {
    return false;
  }
  const char* text = "";
  const bool read = ::sd_bus_message_enter_container(message, 'v', content) > 0 &&
                    ::sd_bus_message_read_basic(message, content[0], &text) > 0 &&
                    ::sd_bus_message_exit_container(message) >= 0;
  if (read) value = text;
  return read;
}

bool read_variant(sd_bus_message* message, std::int64_t& value) {
  char type = 0;
  const char* content = nullptr;
  if (::sd_bus_message_peek_type(message, &type, &content) <= 0 || type != 'v') return false;
  if (content == nullptr || content[0] == '\0' || content[1] != '\0' ||
      std::string_view("ybnqiuxt").find(content[0]) == std::string_view::npos) {
    return false;
  }
  if (::sd_bus_message_enter_container(message, 'v', content) <= 0) return false;
  union {
    std::uint8_t y;
    int b;
    std::int16_t n;
    std::uint16_t q;
    std::int32_t i;
    std::uint32_t u;
    std::int64_t x;
    std::uint64_t t;
  } number = {};
  if (::sd_bus_message_read_basic(message, content[0], &number) <= 0) return false;
  switch (content[0]) {
    case 'y':
      value = number.y;
      break;
    case 'b':
      value = number.b;
      break;
    case 'n':
      value = number.n;
      break;
    case 'q':
      value = number.q;
      break;
    case 'i':
      value = number.i;
      break;
    case 'u':
      value = number.u;
      break;
    case 'x':
      value = number.x;
      break;
    default:
      value = static_cast<std::int64_t>(number.t);
  }
  return ::sd_bus_message_exit_container(message) >= 0;
}

}  // namespace wakeline::sys
