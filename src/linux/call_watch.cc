// SPDX-License-Identifier: Apache-2.0
#include "linux/call_watch.h"

#include <string_view>
#include <vector>

namespace wakeline::sys {
namespace {

constexpr const char* kModemManager = "org.freedesktop.ModemManager1";
constexpr const char* kModemManagerPath = "/org/freedesktop/ModemManager1";
constexpr const char* kVoice = "org.freedesktop.ModemManager1.Modem.Voice";
constexpr const char* kCall = "org.freedesktop.ModemManager1.Call";
constexpr const char* kOfono = "org.ofono";
constexpr const char* kOfonoVoice = "org.ofono.VoiceCallManager";
constexpr const char* kOfonoCall = "org.ofono.VoiceCall";
// Keys of the one table in which both kinds of calls are.
const std::string kOfModemManager = "mm:";
const std::string kOfOfono = "of:";

std::string path_of(sd_bus_message* message) {
  const char* path = "";
  return ::sd_bus_message_read(message, "o", &path) > 0 ? path : "";
}

// The object paths in the variant at the front.
std::vector<std::string> read_paths(sd_bus_message* message) {
  std::vector<std::string> paths;
  if (::sd_bus_message_enter_container(message, 'v', "ao") <= 0) return paths;
  if (::sd_bus_message_enter_container(message, 'a', "o") > 0) {
    const char* path = "";
    while (::sd_bus_message_read_basic(message, 'o', &path) > 0) paths.emplace_back(path);
    ::sd_bus_message_exit_container(message);
  }
  ::sd_bus_message_exit_container(message);
  return paths;
}

// The calls of every modem, from the answer a{oa{sa{sv}}} of GetManagedObjects.
std::vector<std::string> calls_of_modems(sd_bus_message* message) {
  std::vector<std::string> calls;
  if (::sd_bus_message_enter_container(message, 'a', "{oa{sa{sv}}}") <= 0) return calls;
  while (::sd_bus_message_enter_container(message, 'e', "oa{sa{sv}}") > 0) {
    if (::sd_bus_message_skip(message, "o") < 0) break;
    if (::sd_bus_message_enter_container(message, 'a', "{sa{sv}}") < 0) break;
    while (::sd_bus_message_enter_container(message, 'e', "sa{sv}") > 0) {
      const char* interface = "";
      ::sd_bus_message_read(message, "s", &interface);
      const bool voice = std::string_view(interface) == kVoice;
      for_each_property(message, [&](const char* key) {
        if (!voice || std::string_view(key) != "Calls") return;
        for (auto& path : read_paths(message)) calls.push_back(std::move(path));
      });
      ::sd_bus_message_exit_container(message);
    }
    ::sd_bus_message_exit_container(message);
    ::sd_bus_message_exit_container(message);
  }
  return calls;
}

}  // namespace

CallWatch::CallWatch(SystemBus& bus, std::function<void(CallState)> on_state)
    : on_state_(std::move(on_state)) {
  bus.add({.on_connected = [this](Bus& connected) { connect(connected); },
           .on_lost = [this] { lose(); }});
}

void CallWatch::connect(Bus& bus) {
  modem_manager_ = std::make_unique<BusService>(bus, kModemManager,
                                                [this](bool there) { on_modem_manager(there); });
  modem_manager_->on_signal({}, kVoice, "CallAdded", [this](sd_bus_message* message) {
    read_modem_manager_call(path_of(message));
  });
  modem_manager_->on_signal({}, kVoice, "CallDeleted", [this](sd_bus_message* message) {
    set(kOfModemManager + path_of(message), CallState::kNone);
  });
  modem_manager_->on_signal({}, kCall, "StateChanged", [this](sd_bus_message* message) {
    std::int32_t before = 0;
    std::int32_t now = 0;
    const char* path = ::sd_bus_message_get_path(message);
    if (path == nullptr || ::sd_bus_message_read(message, "ii", &before, &now) < 0) return;
    set(kOfModemManager + path, modem_manager_state(now));
  });
  connect_ofono(bus);
}

void CallWatch::connect_ofono(Bus& bus) {
  ofono_ = std::make_unique<BusService>(bus, kOfono, [this](bool there) { on_ofono(there); });
  ofono_->on_signal("/", "org.ofono.Manager", "ModemAdded",
                    [this](sd_bus_message* message) { ask_ofono_calls(path_of(message)); });
  ofono_->on_signal({}, kOfonoVoice, "CallAdded",
                    [this](sd_bus_message* message) { add_ofono_call(message); });
  ofono_->on_signal({}, kOfonoVoice, "CallRemoved", [this](sd_bus_message* message) {
    set(kOfOfono + path_of(message), CallState::kNone);
  });
  ofono_->on_signal({}, kOfonoCall, "PropertyChanged", [this](sd_bus_message* message) {
    const char* key = "";
    std::string state;
    const char* path = ::sd_bus_message_get_path(message);
    if (path == nullptr || ::sd_bus_message_read(message, "s", &key) < 0) return;
    if (std::string_view(key) != "State" || !read_variant(message, state)) return;
    set(kOfOfono + path, ofono_state(state));
  });
}

void CallWatch::lose() {
  modem_manager_.reset();
  ofono_.reset();
  on_modem_manager(false);
  on_ofono(false);
}

void CallWatch::on_modem_manager(bool there) {
  modem_manager_there_ = there;
  calls_.forget(kOfModemManager);
  publish();
  if (!there) return;
  modem_manager_->call(kModemManagerPath, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects",
                       nullptr, [this](sd_bus_message* answer, base::Error) {
                         if (answer == nullptr) return;
                         for (const auto& call : calls_of_modems(answer)) {
                           read_modem_manager_call(call);
                         }
                       });
}

void CallWatch::read_modem_manager_call(const std::string& call) {
  if (call.empty()) return;
  modem_manager_->get(call, kCall, "State", [this, call](sd_bus_message* answer, base::Error) {
    std::int64_t state = 0;
    if (answer != nullptr && read_variant(answer, state)) {
      set(kOfModemManager + call, modem_manager_state(state));
    }
  });
}

void CallWatch::on_ofono(bool there) {
  ofono_there_ = there;
  calls_.forget(kOfOfono);
  publish();
  if (!there) return;
  ofono_->call("/", "org.ofono.Manager", "GetModems", nullptr,
               [this](sd_bus_message* answer, base::Error) {
                 if (answer == nullptr) return;
                 if (::sd_bus_message_enter_container(answer, 'a', "(oa{sv})") <= 0) return;
                 while (::sd_bus_message_enter_container(answer, 'r', "oa{sv}") > 0) {
                   ask_ofono_calls(path_of(answer));
                   if (::sd_bus_message_skip(answer, "a{sv}") < 0) return;
                   ::sd_bus_message_exit_container(answer);
                 }
               });
}

void CallWatch::ask_ofono_calls(const std::string& modem) {
  if (modem.empty()) return;
  // A modem without a voice interface answers with an error, and has no calls.
  ofono_->call(modem, kOfonoVoice, "GetCalls", nullptr,
               [this](sd_bus_message* answer, base::Error) {
                 if (answer == nullptr) return;
                 if (::sd_bus_message_enter_container(answer, 'a', "(oa{sv})") <= 0) return;
                 while (::sd_bus_message_enter_container(answer, 'r', "oa{sv}") > 0) {
                   add_ofono_call(answer);
                   ::sd_bus_message_exit_container(answer);
                 }
               });
}

void CallWatch::add_ofono_call(sd_bus_message* message) {
  const std::string call = path_of(message);
  std::string state;
  for_each_property(message, [&](const char* key) {
    if (std::string_view(key) == "State") read_variant(message, state);
  });
  if (!call.empty()) set(kOfOfono + call, ofono_state(state));
}

void CallWatch::set(const std::string& call, CallState state) {
  calls_.set(call, state);
  publish();
}

void CallWatch::publish() {
  const CallState state = calls_.overall();
  if (state == last_) return;
  last_ = state;
  on_state_(state);
}

std::string CallWatch::describe() const {
  if (modem_manager_there_ && ofono_there_) return "told by ModemManager and oFono";
  if (modem_manager_there_) return "told by ModemManager";
  if (ofono_there_) return "told by oFono";
  return "not told: neither ModemManager nor oFono is there";
}

}  // namespace wakeline::sys
