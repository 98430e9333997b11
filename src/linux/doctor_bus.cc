// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cerrno>
#include <string_view>

#include "io/clock.h"
#include "linux/bus.h"
#include "linux/doctor.h"

namespace wakeline::sys {
namespace {

constexpr std::uint64_t kAnswerBoundUs = 1'000'000;
constexpr const char* kFallback = "local notifications are printed on the host's terminal";

// Authenticates, at most for kAnswerBoundUs.
base::Result<void> await_ready(sd_bus* bus) {
  const auto start = io::now();
  while (::sd_bus_is_ready(bus) == 0) {
    const int done = ::sd_bus_process(bus, nullptr);
    if (done < 0) return base::fail(bus_error("session bus", done));
    if (done > 0) continue;
    if (io::now() - start >= std::chrono::microseconds(kAnswerBoundUs)) {
      return base::fail(base::ErrorCode::kTimeout, "session bus");
    }
    ::sd_bus_wait(bus, kAnswerBoundUs);
  }
  return {};
}

// Whether the list that the bus's own method returns has the name.
bool lists_name(sd_bus* bus, const char* method, std::string_view name) {
  sd_bus_message* raw = nullptr;
  ::sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                       method, nullptr, &raw, nullptr);
  const BusMessage answer(raw);
  if (!answer) return false;
  bool found = false;
  const char* word = nullptr;
  ::sd_bus_message_enter_container(raw, 'a', "s");
  while (::sd_bus_message_read(raw, "s", &word) > 0) found = found || name == word;
  return found;
}

}  // namespace

Probe probe_session_bus() {
  constexpr const char* kName = "session_bus";
  constexpr const char* kServer = "org.freedesktop.Notifications";
  const auto bus = open_bus({});
  auto ready = bus ? await_ready(bus->get()) : base::Result<void>(base::fail(bus.error()));
  if (!ready) {
    return {kName, ProbeState::kMissing, base::to_string(ready.error()), kFallback,
            "start the host in the desktop session, or set DBUS_SESSION_BUS_ADDRESS"};
  }
  ::sd_bus_set_method_call_timeout(bus->get(), kAnswerBoundUs);
  if (lists_name(bus->get(), "ListNames", kServer)) {
    return {kName, ProbeState::kOk, "a notification server is on the session bus", {}, {}};
  }
  if (lists_name(bus->get(), "ListActivatableNames", kServer)) {
    return {
        kName, ProbeState::kOk, "the session bus starts a notification server on demand", {}, {}};
  }
  return {kName, ProbeState::kDegraded, "a session bus without a notification server", kFallback,
          "apt-get install dunst (or another notification server)"};
}

}  // namespace wakeline::sys
