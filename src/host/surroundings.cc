// SPDX-License-Identifier: Apache-2.0
#include "host/surroundings.h"

#include <utility>

#include "base/log.h"
#include "host/lost_connections.h"

namespace wakeline::host {
namespace {

using base::LogLevel;

wire::host::NetworkChanged to_wire(const sys::NetworkFacts& all,
                                   const sys::NetworkManagerHint& hint) {
  const sys::NetworkFacts facts = sys::essence(all);
  wire::host::NetworkChanged message;
  for (const auto& local : facts.addresses) {
    if (message.addresses.size() == wire::host::kAddressesMax) break;
    message.addresses.push_back({local.interface, sys::to_string(local.address)});
  }
  for (const auto& route : facts.routes) {
    if (message.routes.size() == wire::host::kRoutesMax) break;
    message.routes.push_back({route.interface, sys::to_string(route.gateway)});
  }
  message.kind = hint.kind();
  message.metered = hint.metered();
  return message;
}

wire::host::CallState to_wire(sys::CallState state) {
  switch (state) {
    case sys::CallState::kIncoming:
      return wire::host::CallState::kIncoming;
    case sys::CallState::kActive:
      return wire::host::CallState::kActive;
    case sys::CallState::kNone:
      break;
  }
  return wire::host::CallState::kEnded;
}

}  // namespace

base::Result<std::unique_ptr<Surroundings>> Surroundings::create(io::Loop& loop, Driver& driver) {
  std::unique_ptr<Surroundings> made(new Surroundings(loop, driver));
  if (const auto opened = made->open(); !opened) return base::fail(opened.error());
  return made;
}

Surroundings::Surroundings(io::Loop& loop, Driver& driver)
    : loop_(loop),
      driver_(driver),
      bus_(loop, {}),
      network_manager_(bus_,
                       [this] {
                         // Its words are hints; the kernel is asked as well.
                         if (network_) network_->hint();
                         tell_network();
                       }),
      calls_(bus_, [this](sys::CallState state) { driver_.call_state_changed(to_wire(state)); }),
      reclaims_(loop, driver) {}

Surroundings::~Surroundings() { driver_.set_hooks({}); }

base::Result<void> Surroundings::open() {
  auto sleep = sys::SleepWatch::create(
      loop_, bus_,
      {.on_prepare =
           [this](base::Duration) { driver_.prepare_for_sleep([this] { sleep_->let_sleep(); }); },
       .on_resumed =
           [this](base::Duration slept) {
             base::log(LogLevel::kInfo, "sleep", "the machine has resumed after {} s",
                       std::chrono::duration_cast<std::chrono::seconds>(slept).count());
             driver_.system_resumed();
             if (network_) network_->hint();
           }});
  if (!sleep) return base::fail(sleep.error());
  sleep_ = std::move(*sleep);
  auto ipc = sys::IpcWatch::create(loop_, {}, [this](std::uint64_t app) { on_ipc(app); });
  if (!ipc) return base::fail(ipc.error());
  ipc_ = std::move(*ipc);
  open_network();
  set_hooks();
  return {};
}

void Surroundings::open_network() {
  auto network = sys::NetworkWatch::open(loop_, {}, [this](const sys::NetworkChange& change) {
    base::log(LogLevel::kInfo, "network", "{}", sys::to_line(change.facts));
    // First the errors, so that an app which is woken finds them.
    end_lost_connections(driver_, change.lost);
    if (change.essential) tell_network();
  });
  if (!network) {
    network_error_ = network.error();
    base::log(LogLevel::kWarning, "network", "its changes wake nobody: {}",
              base::to_string(network.error()));
    return;
  }
  network_ = std::move(*network);
  tell_network();
}

void Surroundings::tell_network() {
  if (network_) driver_.network_changed(to_wire(network_->facts(), network_manager_));
}

void Surroundings::set_hooks() {
  driver_.set_hooks({.on_asleep = [this](AppRecord& app) { on_asleep(app); },
                     .on_waking =
                         [this](AppRecord& app) {
                           ipc_->remove(app.id.value);
                           reclaims_.cancel(app);
                         },
                     .on_reclaim = [this](AppRecord& app) { reclaims_.start(app); }});
}

void Surroundings::on_asleep(AppRecord& app) {
  if (app.manifest.ipc == wire::IpcPolicy::kIgnore) return;
  const auto rule =
      app.manifest.ipc == wire::IpcPolicy::kWake ? sys::IpcRule::kWake : sys::IpcRule::kDrain;
  const auto added = ipc_->add(app.id.value, rule, app.process->group().processes());
  if (added) return;
  base::log(LogLevel::kWarning, "host", "{}: its local sockets are not watched: {}",
            app.manifest.id, base::to_string(added.error()));
}

void Surroundings::on_ipc(std::uint64_t id) {
  AppRecord* app = driver_.find(doze::AppId{id});
  if (app == nullptr || !app->suspended) return;
  if (app->manifest.ipc != wire::IpcPolicy::kWake) return driver_.ipc_pending(*app);
  driver_.feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    doze.on_ipc_data(now, app->id, out);
  });
}

std::string Surroundings::describe() const {
  return network_ ? sys::to_line(network_->facts())
                  : "not told: " + base::to_string(network_error_);
}

}  // namespace wakeline::host
