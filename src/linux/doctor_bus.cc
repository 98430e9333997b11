// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cerrno>
#include <filesystem>
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

namespace {

// A system bus that answers, or why there is none.
base::Result<BusHandle> reach_system_bus() {
  auto bus = open_system_bus({});
  if (!bus) return bus;
  if (const auto ready = await_ready(bus->get()); !ready) return base::fail(ready.error());
  ::sd_bus_set_method_call_timeout(bus->get(), kAnswerBoundUs);
  return bus;
}

// Takes a delay inhibitor and gives it back.
base::Result<void> try_inhibitor(sd_bus* bus) {
  sd_bus_message* raw = nullptr;
  const int called = ::sd_bus_call_method(
      bus, "org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager",
      "Inhibit", nullptr, &raw, "ssss", "sleep", "Wakeline", "wakeline doctor looks", "delay");
  const BusMessage answer(raw);
  if (called < 0) return base::fail(bus_error("Inhibit", called));
  return {};
}

}  // namespace

Probe probe_sleep() {
  constexpr const char* kName = "sleep";
  const std::string fallback =
      "a sleep of the machine is noticed when it is over, by the clocks: what was due runs late";
  const auto bus = reach_system_bus();
  if (!bus) {
    return {kName, ProbeState::kDegraded,
            fmt::format("no system bus: {}", base::to_string(bus.error())), fallback,
            "apt-get install dbus systemd (or elogind), and start them"};
  }
  if (!lists_name(bus->get(), "ListNames", "org.freedesktop.login1")) {
    return {kName, ProbeState::kDegraded, "no logind is on the system bus", fallback,
            "systemctl start systemd-logind (or apt-get install elogind)"};
  }
  if (const auto taken = try_inhibitor(bus->get()); !taken) {
    return {kName, ProbeState::kDegraded,
            fmt::format("logind tells of a sleep, but does not wait: {}",
                        base::to_string(taken.error())),
            "what is due may run only after the sleep",
            "allow org.freedesktop.login1.inhibit-delay-sleep to the host's user in polkit"};
  }
  return {kName, ProbeState::kOk, "logind tells of a sleep and waits for what is due", {}, {}};
}

Probe probe_calls() {
  constexpr const char* kName = "calls";
  const auto bus = reach_system_bus();
  if (bus) {
    for (const char* service : {"org.freedesktop.ModemManager1", "org.ofono"}) {
      if (!lists_name(bus->get(), "ListNames", service)) continue;
      return {kName, ProbeState::kOk, fmt::format("{} tells of telephone calls", service), {}, {}};
    }
  }
  // Where nothing can be called, nothing is missing.
  std::error_code ignored;
  if (std::filesystem::directory_iterator("/sys/class/wwan", ignored) ==
      std::filesystem::directory_iterator()) {
    return {kName, ProbeState::kOk, "no modem, so there are no calls to tell of", {}, {}};
  }
  return {kName, ProbeState::kDegraded, "a modem, and nobody who tells of its calls",
          "apps are not told of telephone calls, and do not hold theirs",
          "apt-get install modemmanager"};
}

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
