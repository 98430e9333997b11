// SPDX-License-Identifier: Apache-2.0
#include "linux/network_manager.h"

#include <array>
#include <string_view>
#include <utility>

namespace wakeline::sys {
namespace {

constexpr const char* kName = "org.freedesktop.NetworkManager";
constexpr const char* kPath = "/org/freedesktop/NetworkManager";

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

}  // namespace

NetworkManagerHint::NetworkManagerHint(SystemBus& bus, std::function<void()> on_hint)
    : on_hint_(std::move(on_hint)) {
  bus.add({.on_connected = [this](Bus& connected) { connect(connected); },
           .on_lost =
               [this] {
                 service_.reset();
                 word_.clear();
               }});
}

void NetworkManagerHint::connect(Bus& bus) {
  service_ = std::make_unique<BusService>(bus, kName, [this](bool there) {
    word_.clear();
    if (!there) return;
    service_->get(kPath, kName, "State", [this](sd_bus_message* answer, base::Error) {
      std::int64_t state = 0;
      if (answer != nullptr && read_variant(answer, state)) set(state);
    });
  });
  service_->on_signal(kPath, kName, "StateChanged", [this](sd_bus_message* message) {
    std::uint32_t state = 0;
    if (::sd_bus_message_read(message, "u", &state) < 0) return;
    set(state);
    on_hint_();
  });
  service_->on_signal(kPath, "org.freedesktop.DBus.Properties", "PropertiesChanged",
                      [this](sd_bus_message* message) {
                        const char* interface = "";
                        if (::sd_bus_message_read(message, "s", &interface) < 0) return;
                        if (std::string_view(interface) != kName) return;
                        bool primary = false;
                        for_each_property(message, [&](const char* key) {
                          primary = primary || std::string_view(key) == "PrimaryConnection";
                        });
                        if (primary) on_hint_();
                      });
}

void NetworkManagerHint::set(std::int64_t state) {
  word_ = "in a state that is not known here";
  for (const auto& [number, word] : kWords) {
    if (number == state) word_ = word;
  }
}

}  // namespace wakeline::sys
