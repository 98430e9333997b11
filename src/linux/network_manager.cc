// SPDX-License-Identifier: Apache-2.0
#include "linux/network_manager.h"

#include <array>
#include <string_view>
#include <utility>

namespace wakeline::sys {
namespace {

constexpr const char* kNetworkManager = "org.freedesktop.NetworkManager";
constexpr const char* kNetworkManagerPath = "/org/freedesktop/NetworkManager";
constexpr const char* kProperties = "org.freedesktop.DBus.Properties";

// Source: NMState.
constexpr std::array<std::pair<std::int64_t, const char*>, 7> kWords = {{
    {10, "asleep"},
    {20, "disconnected"},
    {30, "disconnecting"},
    {40, "connecting"},
    {50, "connected to the link alone"},
    {60, "without internet"},
    {70, "connected"},
}};

// Source: NM_SETTING_*_SETTING_NAME of libnm.
constexpr std::array<std::pair<std::string_view, const char*>, 5> kKinds = {{
    {"802-11-wireless", "wifi"},
    {"802-3-ethernet", "ethernet"},
    {"gsm", "cellular"},
    {"cdma", "cellular"},
    {"wifi-p2p", "wifi"},
}};

// Source: NMMetered: yes, and guessed yes.
bool is_metered(std::int64_t number) { return number == 1 || number == 3; }

}  // namespace

NetworkManagerHint::NetworkManagerHint(SystemBus& bus, std::function<void()> on_hint)
    : on_hint_(std::move(on_hint)) {
  bus.add({.on_connected = [this](Bus& connected) { connect(connected); },
           .on_lost =
               [this] {
                 service_.reset();
                 forget();
               }});
}

void NetworkManagerHint::forget() {
  word_.clear();
  kind_.clear();
  metered_ = false;
}

void NetworkManagerHint::connect(Bus& bus) {
  service_ = std::make_unique<BusService>(bus, kNetworkManager, [this](bool there) {
    forget();
    if (!there) return;
    service_->call(
        kNetworkManagerPath, kProperties, "GetAll",
        [](sd_bus_message* message) {
          return ::sd_bus_message_append(message, "s", kNetworkManager);
        },
        [this](sd_bus_message* answer, base::Error) {
          if (answer != nullptr && take(answer)) on_hint_();
        });
  });
  service_->on_signal(kNetworkManagerPath, kProperties, "PropertiesChanged",
                      [this](sd_bus_message* message) {
                        const char* interface = "";
                        if (::sd_bus_message_read(message, "s", &interface) < 0) return;
                        if (std::string_view(interface) == kNetworkManager && take(message))
                          on_hint_();
                      });
}

// Returns: whether something of it concerns us.
bool NetworkManagerHint::take(sd_bus_message* properties) {
  bool concerned = false;
  for_each_property(properties, [&](const char* key) {
    const std::string_view name = key;
    std::int64_t number = 0;
    std::string text;
    if (name == "State" && read_variant(properties, number)) {
      word_ = "in a state that is not known here";
      for (const auto& [state, word] : kWords) {
        if (state == number) word_ = word;
      }
    } else if (name == "Metered" && read_variant(properties, number)) {
      metered_ = is_metered(number);
    } else if (name == "PrimaryConnectionType" && read_variant(properties, text)) {
      kind_.clear();
      for (const auto& [type, kind] : kKinds) {
        if (type == text) kind_ = kind;
      }
    } else if (name != "PrimaryConnection") {
      return;
    }
    concerned = true;
  });
  return concerned;
}

}  // namespace wakeline::sys
