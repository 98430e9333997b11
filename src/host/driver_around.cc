// SPDX-License-Identifier: Apache-2.0
// What happens around the apps: the network, cellular calls, the machine's sleep.
#include <utility>

#include "host/driver.h"

namespace wakeline::host {

void Driver::network_changed(wire::host::NetworkChanged facts) {
  // By address and route: what is a hint alone is told when the next of them changes (C31).
  if (network_ && network_->addresses == facts.addresses && network_->routes == facts.routes) {
    network_ = std::move(facts);
    return;
  }
  const bool first = !network_;
  network_ = std::move(facts);
  for (auto& [id, app] : apps_) app->network_untold = true;
  if (!first) {
    feed([](doze::Doze& doze, base::Instant now, doze::Actions& out) {
      doze.on_network_changed(now, out);
    });
  }
  for (auto& [id, app] : apps_) tell_surroundings(*app);
}

void Driver::call_state_changed(wire::host::CallState state) {
  if (std::exchange(call_, state) == state) return;
  for (auto& [id, app] : apps_) app->call_untold = true;
  // First, so that an app knows why its audio session no longer keeps it awake.
  for (auto& [id, app] : apps_) tell_surroundings(*app);
  feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    doze.on_call_state(now, state, out);
  });
}

void Driver::tell_surroundings(AppRecord& app) {
  if (app.suspended || app.sink == nullptr) return;
  if (std::exchange(app.network_untold, false) && network_) tell(app, *network_);
  if (std::exchange(app.call_untold, false)) tell(app, wire::host::CallStateChanged{call_});
}

void Driver::prepare_for_sleep(std::function<void()> on_ready) {
  on_sleep_ready_ = std::move(on_ready);
  note(nullptr, "host", "sleep", {});
  feed([](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    doze.on_prepare_for_sleep(now, out);
  });
}

void Driver::system_resumed() {
  on_sleep_ready_ = nullptr;
  note(nullptr, "host", "resume", {});
  feed([](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    doze.on_system_resumed(now, out);
  });
}

void Driver::ipc_pending(AppRecord& app) {
  feed([&](doze::Doze& doze, base::Instant now, doze::Actions& out) {
    doze.on_ipc_pending(now, app.id, out);
  });
}

}  // namespace wakeline::host
